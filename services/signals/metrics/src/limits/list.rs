//! Lists that Mimir writes as one text.

use std::fmt;

use runtime::config::{Setting, SettingDoc};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// Names: a list, or one text with commas between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommaList(Vec<String>);

impl CommaList {
    /// Of single names.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// True for a name that is in the list, and for each when `all` is.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        self.iter().any(|one| one == name || one == "all")
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Setting for CommaList {
    fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>) {
        self.0.describe(at, doc, out);
    }
}

impl Serialize for CommaList {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for CommaList {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = CommaList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names, or one text with commas between them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<CommaList, E> {
                Ok(CommaList::new(text.split(',').map(str::trim).filter(|name| !name.is_empty())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<CommaList, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(CommaList(names))
            }
        }
        from.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::CommaList;

    #[test]
    fn a_text_and_a_list_say_the_same() {
        let expected = CommaList::new(["a.b", "c"]);
        for text in ["\"a.b, c,\"", "[\"a.b\", \"c\"]"] {
            assert_eq!(serde_json::from_str::<CommaList>(text).expect("both are good"), expected);
        }
        assert_eq!(serde_json::to_string(&expected).expect("texts"), "[\"a.b\",\"c\"]");
    }
}
