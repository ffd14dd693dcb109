//! Tokens (JWT) that expire: said before it happens, as far as they can be read.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::config::Credentials;

/// The longest token, by MQTT.
const LONGEST: u64 = 65_535;
/// How soon the file is looked at again, at the latest: it may have another token by then.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);
/// How soon, when it has expired: somebody may just be renewing it.
const EXPIRED: Duration = Duration::from_secs(10);
/// How soon at the earliest.
const SOON: Duration = Duration::from_secs(1);
/// How long before its end a token is told of that does not say how old it is.
const BEFORE: Duration = Duration::from_secs(3600);

/// Reads a token from its file, without the white space around it.
///
/// # Errors
/// As the system says.
pub(super) fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;

    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(LONGEST + 64).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

/// What a token says of itself. Whether it is true is the broker's business.
pub(super) fn claims(token: &str) -> Option<Value> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&claims).ok()
}

/// Looks at a token while a connection that was made with it lasts.
#[derive(Debug)]
pub(super) struct Watch {
    path: Option<PathBuf>,
    /// When to look.
    pub(super) next: Option<Instant>,
    /// When the token ends that the connection was made with, if it has an end.
    made_with: Option<Option<u64>>,
    /// What was said, and of a token with which end.
    told: Option<(u64, State)>,
}

/// How it is with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Good,
    /// It expires in so many seconds.
    Ends(u64),
    Expired,
}

impl Watch {
    pub(super) fn new(credentials: &Credentials) -> Watch {
        let path = match credentials {
            Credentials::TokenFile { path, .. } => Some(path.clone()),
            _ => None,
        };
        Watch {
            next: path.is_some().then(Instant::now),
            path,
            made_with: None,
            told: None,
        }
    }

    /// Looks at the file, and warns if it has to be renewed. Whether the connection has to be made
    /// anew: its own token has ended, after which a broker may refuse whatever comes, and there is
    /// one that lasts longer.
    pub(super) fn look(&mut self) -> bool {
        let Some(path) = &self.path else {
            self.next = None;
            return false;
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        // What cannot be read is told when it is wanted.
        let claims = read(path).ok().and_then(|token| claims(&token));
        let ends = claims.as_ref().and_then(end);
        let (state, mut again) =
            claims.map_or((State::Good, LOOK_AGAIN), |claims| state(&claims, now));
        if let Some(own) = *self.made_with.get_or_insert(ends) {
            if own <= now && ends.is_some_and(|end| end > own) {
                return true;
            }
            let left = Duration::from_secs(own.saturating_sub(now));
            again = again.min(if left.is_zero() { EXPIRED } else { left });
        }
        self.next = Some(Instant::now() + again);
        let end = match state {
            State::Good => 0,
            State::Ends(seconds) => now + seconds,
            State::Expired => 1,
        };
        let same = self.told.is_some_and(|(told, kind)| {
            told == end && std::mem::discriminant(&kind) == std::mem::discriminant(&state)
        });
        if same {
            return false;
        }
        self.told = Some((end, state));
        let path = path.display();
        match state {
            State::Good => {}
            State::Ends(seconds) => {
                let time = humantime::format_duration(Duration::from_secs(seconds));
                tracing::warn!("the token in {path} expires in {time}: renew it before");
            }
            State::Expired => {
                tracing::warn!("the token in {path} has expired: the broker will not take it")
            }
        }
        false
    }
}

/// How it is with a token that says this, and when to look again.
fn state(claims: &Value, now: u64) -> (State, Duration) {
    let Some(end) = end(claims) else {
        return (State::Good, LOOK_AGAIN);
    };
    let left = end.saturating_sub(now);
    if left == 0 {
        return (State::Expired, LOOK_AGAIN);
    }
    // A tenth of its life, and a day at the most.
    let day = Duration::from_secs(24 * 3600);
    let begin = claims.get("iat").and_then(Value::as_f64).map(seconds);
    let before = begin.map_or(BEFORE, |begin| {
        Duration::from_secs(end.saturating_sub(begin) / 10).min(day)
    });
    let left = Duration::from_secs(left);
    match left.checked_sub(before).filter(|wait| !wait.is_zero()) {
        Some(wait) => (State::Good, wait.clamp(SOON, LOOK_AGAIN)),
        None => (State::Ends(left.as_secs()), left.clamp(SOON, LOOK_AGAIN)),
    }
}

/// When a token ends that says this.
fn end(claims: &Value) -> Option<u64> {
    claims.get("exp").and_then(Value::as_f64).map(seconds)
}

/// Whole seconds of a number in JSON, which may be anything.
fn seconds(number: f64) -> u64 {
    Duration::try_from_secs_f64(number).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_connection_is_made_anew_when_its_token_was_renewed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let write = |exp: u64| {
            let claims = URL_SAFE_NO_PAD.encode(json!({"exp": exp}).to_string());
            std::fs::write(&path, format!("eyJ9.{claims}.")).unwrap();
        };
        let watch = || {
            Watch::new(&Credentials::TokenFile {
                user: None,
                path: path.clone(),
            })
        };
        // As long as its own token holds it need not be.
        write(now + 100);
        let mut good = watch();
        assert!(!good.look());
        write(now + 1000);
        assert!(!good.look());
        let next = good.next.unwrap().duration_since(Instant::now());
        assert!(next <= Duration::from_secs(100), "{next:?}");
        // One that has ended, with nothing better there and then something.
        write(now - 1);
        let mut ended = watch();
        assert!(!ended.look());
        assert!(!ended.look());
        write(now + 1000);
        assert!(ended.look());
    }

    #[test]
    fn what_a_token_says() {
        // {"alg":"none"} . {"sub":"alice"} .
        let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.";
        assert_eq!(claims(token).unwrap()["sub"], "alice");
        assert_eq!(claims("secret"), None);
        assert_eq!(claims("a.b.c"), None);
    }

    #[test]
    fn it_is_told_before_a_token_ends() {
        let at = |claims: Value, now| state(&claims, now);
        let second = Duration::from_secs;
        let hour = 3600;
        // Of an hour's life the last six minutes.
        let token = json!({"iat": 1000, "exp": 1000 + hour});
        assert_eq!(at(token.clone(), 1000), (State::Good, second(hour - 360)));
        assert_eq!(
            at(token.clone(), 1000 + hour - 360),
            (State::Ends(360), second(360))
        );
        assert_eq!(at(token.clone(), 1000 + hour), (State::Expired, LOOK_AGAIN));
        assert_eq!(at(token, u64::MAX), (State::Expired, LOOK_AGAIN));
        // Of a long life a day, and where it is not known, an hour.
        let token = json!({"iat": 0, "exp": 100 * 24 * hour});
        assert_eq!(at(token.clone(), 99 * 24 * hour).0, State::Ends(24 * hour));
        assert_eq!(at(token, 5), (State::Good, LOOK_AGAIN));
        assert_eq!(at(json!({"exp": 2 * hour}), hour).0, State::Ends(hour));
        for odd in [
            json!({}),
            json!({"exp": "soon"}),
            json!({"exp": null}),
            json!([1]),
        ] {
            assert_eq!(at(odd, 1), (State::Good, LOOK_AGAIN));
        }
        assert_eq!(at(json!({"exp": -1e300}), 1).0, State::Expired);
        assert_eq!(at(json!({"iat": 1e300, "exp": 10}), 1).0, State::Good);
    }

    #[test]
    fn a_file_is_looked_at_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut watch = Watch::new(&Credentials::TokenFile {
            user: None,
            path: file.path().to_owned(),
        });
        let mut look = |exp: u64| {
            let claims = URL_SAFE_NO_PAD.encode(json!({"exp": exp}).to_string());
            std::fs::write(file.path(), format!("e30.{claims}.x\n")).unwrap();
            watch.look();
            assert!(watch.next.is_some());
            watch.told.map(|(_, state)| state)
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        assert_eq!(look(now + 100_000), Some(State::Good));
        assert!(matches!(look(now + 100), Some(State::Ends(..=100))));
        assert_eq!(look(now - 1), Some(State::Expired));
        assert_eq!(look(now + 100_000), Some(State::Good));
        assert!(Watch::new(&Credentials::None).next.is_none());
    }
}
