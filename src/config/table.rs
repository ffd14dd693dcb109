//! What is known of each setting, and the macro that makes it together with
//! the structs that hold the values.

use std::ops::RangeInclusive;
use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use super::kind::{Bad, Kind, Shown};
use super::surroundings::Surroundings;
use super::tree::{SETTINGS, Settings};

/// A setting, of which there is one for each value of [`Settings`].
#[derive(Debug)]
pub(super) struct Setting {
    /// Empty for a section that is a setting.
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    /// Lines of description.
    pub(super) doc: &'static [&'static str],
    /// What the default is, where it differs from host to host.
    pub(super) default_text: Option<&'static str>,
    /// In TOML. Where there is none, the default is an example.
    pub(super) example: Option<&'static str>,
    /// A flag of its own, and its variable beside the one that every setting has.
    pub(super) flag: Option<&'static str>,
    pub(super) alias: Option<&'static str>,
    /// Its flag can be given several times.
    pub(super) many: bool,
    pub(super) secret: bool,
    /// An example for a variable, where that is written in another way.
    pub(super) text_example: Option<&'static str>,
    pub(super) noun: fn() -> String,
    pub(super) range: fn() -> Option<(Shown, Shown)>,
    /// From a variable, and from a flag that was given once or several times.
    pub(super) set_text: fn(&mut Settings, &str, &Path) -> Result<(), Bad>,
    pub(super) set_texts: fn(&mut Settings, &[String], &Path) -> Result<(), Bad>,
    pub(super) set_toml: fn(&mut Settings, &Spanned<DeValue<'_>>, &Path) -> Result<(), Bad>,
    pub(super) show: fn(&Settings) -> Shown,
}

/// A part of the file.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) doc: &'static [&'static str],
}

impl Setting {
    /// `section.name`.
    pub(super) fn key(&self) -> String {
        match self.section {
            "" => self.name.to_owned(),
            section => format!("{section}.{}", self.name),
        }
    }

    /// The variable that it is in.
    pub(super) fn variable(&self) -> String {
        format!("ARENA_{}", self.key().replace('.', "_").to_uppercase())
    }

    /// An example in TOML.
    pub(super) fn example(&self) -> Option<String> {
        self.example.map(str::to_owned).or_else(|| {
            let default = (self.show)(&Settings::defaults(&Surroundings::default()));
            default.toml().filter(|_| self.default_text.is_none())
        })
    }

    /// As in "a size from 16KiB to 1GiB".
    pub(super) fn values(&self) -> String {
        let noun = (self.noun)();
        match (self.range)().map(|(min, max)| (plain(&min), plain(&max))) {
            Some((min, max)) => format!("{noun} from {min} to {max}"),
            None => noun,
        }
    }
}

/// Without quotes.
fn plain(shown: &Shown) -> String {
    match shown {
        Shown::Value(toml::Value::String(text)) => text.clone(),
        other => other.toml().unwrap_or_default(),
    }
}

/// The setting with this key.
pub(super) fn find(key: &str) -> Option<usize> {
    SETTINGS.iter().position(|setting| setting.key() == key)
}

/// A flag that sets one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Without the `--`.
    pub name: &'static str,
    /// The key of the setting.
    pub key: String,
    /// What it sets, in one line.
    pub help: String,
    /// A word for its value: `SIZE`.
    pub value_name: &'static str,
    /// Whether it can be given several times.
    pub many: bool,
}

/// The settings that have a flag of their own.
pub fn flags() -> impl Iterator<Item = Flag> {
    SETTINGS.iter().filter_map(|setting| {
        Some(Flag {
            name: setting.flag?,
            key: setting.key(),
            help: setting.doc.first()?.trim().trim_end_matches('.').to_owned(),
            value_name: value_name(setting),
            many: setting.many,
        })
    })
}

fn value_name(setting: &Setting) -> &'static str {
    let noun = (setting.noun)();
    match noun.as_str() {
        "a size" => "SIZE",
        "a time" => "TIME",
        "a path" => "PATH",
        "a whole number" => "NUMBER",
        "an address and a port" => "ADDRESS",
        "directories" => "HOST[::GUEST][:ro]",
        noun if noun.contains("URL") => "URL",
        noun if noun.starts_with('"') => "WORD",
        _ => "TEXT",
    }
}

/// Of a kind, and in the range if there is one.
pub(super) fn within<K: Kind>(
    value: K::Value,
    range: &RangeInclusive<K::Value>,
) -> Result<K::Value, Bad>
where
    K::Value: PartialOrd,
{
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(Bad::Unexpected)
    }
}

/// Makes the structs of settings, their defaults, and the table of them.
macro_rules! settings {
    (
        $(
            $(#[doc = $section_doc:literal])+
            $section:ident: $Section:ident {
                $(
                    $(#[doc = $doc:literal])+
                    $name:ident: $ty:ty as $Kind:ty = $default:expr
                    $(, range $range:expr)?
                    $(, default $default_text:literal)?
                    $(, example $example:literal)?
                    $(, flag $flag:literal)?
                    $(, variable $alias:literal)?;
                )+
            }
        )+
        top {
            $(
                $(#[doc = $top_doc:literal])+
                $top:ident: $top_ty:ty as $Top:ty = $top_default:expr
                $(, example $top_example:literal)?
                $(, flags $top_flag:literal)?;
            )+
        }
    ) => {
        /// All settings, each in its section.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings {
            $( $(#[doc = $section_doc])+ pub $section: $Section, )+
            $( $(#[doc = $top_doc])+ pub $top: $top_ty, )+
        }

        $(
            $(#[doc = $section_doc])+
            #[derive(Clone, Debug, PartialEq)]
            pub struct $Section {
                $( $(#[doc = $doc])+ pub $name: $ty, )+
            }
        )+

        impl Settings {
            /// What holds where nothing is said, before one setting follows from another.
            pub(super) fn defaults(around: &Surroundings) -> Settings {
                Settings {
                    $(
                        $section: $Section {
                            $( $name: { let of: fn(&Surroundings) -> $ty = $default; of(around) }, )+
                        },
                    )+
                    $( $top: { let of: fn(&Surroundings) -> $top_ty = $top_default; of(around) }, )+
                }
            }
        }

        /// The sections, in the order of the file.
        pub(super) static SECTIONS: &[Section] = &[
            $( Section { name: stringify!($section), doc: &[$($section_doc),+] }, )+
        ];

        /// All settings, in the order of the file.
        pub(super) static SETTINGS: &[Setting] = &[
            $($(
                Setting {
                    section: stringify!($section),
                    name: stringify!($name),
                    doc: &[$($doc),+],
                    default_text: settings!(@option $($default_text)?),
                    example: settings!(@option $($example)?),
                    flag: settings!(@option $($flag)?),
                    alias: settings!(@option $($alias)?),
                    many: false,
                    secret: <$Kind as Kind>::SECRET,
                    text_example: <$Kind as Kind>::TEXT_EXAMPLE,
                    noun: <$Kind as Kind>::noun,
                    range: || settings!(@range $Kind $(, $range)?),
                    set_text: |settings, text, base| {
                        let value = <$Kind as Kind>::text(text, base)?;
                        settings.$section.$name = settings!(@within value, $Kind $(, $range)?);
                        Ok(())
                    },
                    set_texts: |settings, texts, base| {
                        let value = <$Kind as Kind>::texts(texts, base)?;
                        settings.$section.$name = settings!(@within value, $Kind $(, $range)?);
                        Ok(())
                    },
                    set_toml: |settings, value, base| {
                        let value = <$Kind as Kind>::toml(value, base)?;
                        settings.$section.$name = settings!(@within value, $Kind $(, $range)?);
                        Ok(())
                    },
                    show: |settings| <$Kind as Kind>::show(&settings.$section.$name),
                },
            )+)+
            $(
                Setting {
                    section: "",
                    name: stringify!($top),
                    doc: &[$($top_doc),+],
                    default_text: None,
                    example: settings!(@option $($top_example)?),
                    flag: settings!(@option $($top_flag)?),
                    alias: None,
                    many: true,
                    secret: <$Top as Kind>::SECRET,
                    text_example: <$Top as Kind>::TEXT_EXAMPLE,
                    noun: <$Top as Kind>::noun,
                    range: || None,
                    set_text: |settings, text, base| {
                        settings.$top = <$Top as Kind>::text(text, base)?;
                        Ok(())
                    },
                    set_texts: |settings, texts, base| {
                        settings.$top = <$Top as Kind>::texts(texts, base)?;
                        Ok(())
                    },
                    set_toml: |settings, value, base| {
                        settings.$top = <$Top as Kind>::toml(value, base)?;
                        Ok(())
                    },
                    show: |settings| <$Top as Kind>::show(&settings.$top),
                },
            )+
        ];
    };
    (@option) => { None };
    (@option $some:expr) => { Some($some) };
    (@range $Kind:ty) => { None };
    (@range $Kind:ty, $range:expr) => {
        Some((<$Kind as Kind>::show($range.start()), <$Kind as Kind>::show($range.end())))
    };
    (@within $value:ident, $Kind:ty) => { $value };
    (@within $value:ident, $Kind:ty, $range:expr) => {
        super::table::within::<$Kind>($value, &$range)?
    };
}
pub(super) use settings;
