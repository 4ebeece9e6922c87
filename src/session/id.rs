//! The name of a session: twelve characters that people type by their first few.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Lower-case Crockford base 32: no i, l, o, u, so that nothing is misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Sixty random bits, written as twelve characters of base 32.
///
/// Ids are drawn independently by every tap that writes to a store. With a million sessions the
/// chance that any two are equal is below one in a million.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; Self::LEN]);

impl SessionId {
    pub const LEN: usize = 12;

    /// How many characters a table shows.
    pub const SHORT: usize = 8;

    /// The id made of the low sixty of `bits`; the caller supplies the randomness.
    pub fn from_bits(bits: u64) -> Self {
        let mut text = [0; Self::LEN];
        for (at, place) in text.iter_mut().enumerate() {
            let index = (bits >> (at * 5)) & 0x1f;
            *place = ALPHABET[usize::try_from(index).unwrap_or_default()];
        }
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The first characters, enough for a table.
    pub fn short(&self) -> &str {
        &self.as_str()[..Self::SHORT]
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not a whole session id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a session id is 12 characters of 0-9 and a-z without i, l, o, u")]
pub struct ParseIdError;

impl FromStr for SessionId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let bytes: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| ParseIdError)?;
        if bytes.iter().all(|b| ALPHABET.contains(b)) { Ok(Self(bytes)) } else { Err(ParseIdError) }
    }
}

impl Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let id = SessionId::from_bits(0x0fed_cba9_8765_4321);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.as_str().len(), SessionId::LEN);
        assert_eq!("ILOU".parse::<SessionId>(), Err(ParseIdError));
    }
}
