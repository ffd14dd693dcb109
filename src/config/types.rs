//! Types of settings that are more than numbers and texts.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Something that is not shown: its `Debug` is empty, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where the broker is: `mqtt://HOST:PORT`, also with `mqtts`, `ws` or
/// `wss`, or without a scheme. It may hold a user and a password, so that only
/// [`BrokerAddress::as_str`] shows all of it.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerAddress(String);

impl BrokerAddress {
    pub(super) const SCHEMES: [&str; 4] = ["mqtt", "mqtts", "ws", "wss"];

    /// On this host, with the usual port.
    pub(super) fn local() -> BrokerAddress {
        BrokerAddress("mqtt://localhost:1883".to_owned())
    }

    /// Checks the parts that can be checked without a network.
    pub(super) fn new(text: &str) -> Result<BrokerAddress, String> {
        let whole = match text.split_once("://") {
            // What stands there is not repeated: it may be part of a password.
            Some((scheme, _)) if !Self::SCHEMES.contains(&scheme) => {
                return Err(format!(
                    "it begins with none of {}",
                    Self::SCHEMES.join(", ")
                ));
            }
            Some(_) => text.to_owned(),
            None => format!("mqtt://{text}"),
        };
        let url = url::Url::parse(&whole).map_err(|e| e.to_string())?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err("it has no host".to_owned());
        }
        if url.port() == Some(0) {
            return Err("there is no port 0".to_owned());
        }
        Ok(BrokerAddress(text.to_owned()))
    }

    /// All of it, with the password if there is one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is a password in it.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.parts().is_some_and(|(user, _)| user.contains(':'))
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        ["mqtts://", "wss://"].iter().any(|s| self.0.starts_with(s))
    }

    /// What is before and after the `@`, the first without the scheme.
    fn parts(&self) -> Option<(&str, &str)> {
        let rest = self.0.split_once("://").map_or(&*self.0, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next()?;
        let (user, _) = authority.rsplit_once('@')?;
        Some((user, rest.get(user.len() + 1..)?))
    }
}

impl std::str::FromStr for BrokerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<BrokerAddress, String> {
        BrokerAddress::new(text)
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((credentials, rest)) = self.parts() else {
            return f.write_str(&self.0);
        };
        if let Some((scheme, _)) = self.0.split_once("://") {
            write!(f, "{scheme}://")?;
        }
        match credentials.split_once(':') {
            Some((user, _)) => write!(f, "{user}:…@{rest}"),
            None => write!(f, "{credentials}@{rest}"),
        }
    }
}

impl fmt::Debug for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerAddress({self})")
    }
}

/// Whose signatures are trusted: an Ed25519 public key, in base64 for people.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> PublicKey {
        PublicKey(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::str::FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<PublicKey, String> {
        let key = STANDARD.decode(text.trim()).ok();
        key.and_then(|key| key.try_into().ok())
            .map(PublicKey)
            .ok_or_else(|| "it does not have the 44 characters of such a key".to_owned())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// What a file is: its SHA-256, in hexadecimal for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileDigest([u8; 32]);

impl FileDigest {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::str::FromStr for FileDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<FileDigest, String> {
        let text = text.trim();
        let mut bytes = [0; 32];
        let digits = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        for (at, byte) in bytes.iter_mut().enumerate() {
            let pair = text.get(2 * at..2 * at + 2).filter(|_| digits);
            let value = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
            *byte = value.ok_or_else(|| {
                "it does not have the 64 hexadecimal digits that sha256sum prints".to_owned()
            })?;
        }
        Ok(FileDigest(bytes))
    }
}

impl fmt::Display for FileDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A directory of the host that modules may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedDir {
    /// Where it is on the host.
    pub host: PathBuf,
    /// Whether modules can only read it.
    pub read_only: bool,
}

/// The words that a setting can be, and what they mean.
pub(super) trait Words: Copy + PartialEq + 'static {
    const WORDS: &'static [(&'static str, Self)];
}

macro_rules! words {
    ($(
        $(#[$meta:meta])*
        $Name:ident { $( $(#[$variant_meta:meta])* $Variant:ident = $word:literal, )+ }
    )+) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $Name { $( $(#[$variant_meta])* $Variant, )+ }

            impl Words for $Name {
                const WORDS: &'static [(&'static str, Self)] = &[$(($word, $Name::$Variant),)+];
            }
        )+
    };
}

words! {
    /// Which topics a module may open that its channels do not name.
    UndeclaredTopics {
        /// None.
        Declared = "declared",
        /// Those of the realm.
        Realm = "realm",
    }

    /// How modules are executed.
    EngineMode {
        /// Compiled code where there is some, else the interpreter.
        Auto = "auto",
        /// The interpreter.
        Interpreter = "interpreter",
        /// Compiled code.
        Aot = "aot",
    }

    /// What a process gives up of the machine.
    SandboxLevel {
        /// Everything that can be given up here, or there is no start.
        Strict = "strict",
        /// What can be given up here.
        Default = "default",
        /// Nothing.
        Off = "off",
    }

    /// What goes when a mailbox is full.
    MailboxOverflow {
        /// What has waited longest.
        DropOldest = "drop-oldest",
        /// What has just come.
        DropNewest = "drop-newest",
    }

    /// The version of MQTT.
    MqttVersion {
        /// MQTT 3.1.1.
        V3 = "3",
        /// MQTT 5.
        V5 = "5",
    }

    /// Who chooses the runtime of a module.
    SchedulerName {
        /// By CPU and memory that are left.
        Resources = "resources",
        /// The runtime with the fewest modules.
        LeastModules = "least-modules",
        /// One after the other.
        RoundRobin = "round-robin",
    }

    /// Whether a module is started again after its end.
    RestartWord {
        /// It is not.
        Never = "never",
        /// When it has failed.
        OnFailure = "on-failure",
        /// In any case.
        Always = "always",
    }

    /// The least serious messages that are logged.
    LogLevel {
        /// Nothing is.
        Off = "off",
        /// What does not work.
        Error = "error",
        /// What should be looked at.
        Warn = "warn",
        /// What happens.
        Info = "info",
        /// What happens inside.
        Debug = "debug",
        /// Each step.
        Trace = "trace",
    }

    /// How a line of the log looks.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_keys() {
        let key = PublicKey::new([7; 32]);
        assert_eq!(key.to_string().parse(), Ok(key));
        for text in ["", "AAAA", "not base64!", &"A".repeat(1000)] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_of_brokers() {
        for good in [
            "localhost",
            "broker.example:1884",
            "mqtt://10.0.0.1",
            "mqtts://[::1]:8883",
            "wss://broker.example/mqtt",
            "user:pass@host",
        ] {
            assert_eq!(BrokerAddress::new(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "http://host",
            "mqtt://",
            "mqtt://host:0",
            "mqtt://host:99999",
            "mqtt://:1883",
            "a b",
        ] {
            assert!(BrokerAddress::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_stay_hidden() {
        let shown = |text| BrokerAddress::new(text).unwrap().to_string();
        assert_eq!(shown("mqtt://me:pw@host/a@b"), "mqtt://me:…@host/a@b");
        assert_eq!(shown("me:p@w@host"), "me:…@host");
        assert_eq!(shown("mqtt://me@host"), "mqtt://me@host");
        assert_eq!(shown("mqtt://host:1"), "mqtt://host:1");
        let address = BrokerAddress::new("ws://me:hunter2@host").unwrap();
        assert!(address.has_password());
        assert!(!format!("{address:?} {:?}", Secret::new("hunter2")).contains("hunter2"));
    }
}
