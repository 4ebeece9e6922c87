//! The secret that a check shows, and where it came from. It is never printed.

use std::fmt;

use serde_json::{Map, Value};

/// What goes into `connect.params.auth`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    token: Option<String>,
    password: Option<String>,
    source: Option<Source>,
}

/// Where a secret came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Option,
    File,
    Config,
    Environment,
}

impl Source {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Option => "an option",
            Self::File => "a file",
            Self::Config => "the configuration file",
            Self::Environment => "the environment",
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.shown())
    }
}

impl Credentials {
    pub const fn token(token: String, source: Source) -> Self {
        Self { token: Some(token), password: None, source: Some(source) }
    }

    pub const fn password(password: String, source: Source) -> Self {
        Self { token: None, password: Some(password), source: Some(source) }
    }

    /// What is sent, in words.
    pub fn shown(&self) -> String {
        let kind = match (&self.token, &self.password) {
            (Some(_), _) => "a token",
            (None, Some(_)) => "a password",
            (None, None) => return "no secret".to_owned(),
        };
        match self.source {
            Some(source) => format!("{kind} from {}", source.name()),
            None => kind.to_owned(),
        }
    }

    pub const fn is_none(&self) -> bool {
        self.token.is_none() && self.password.is_none()
    }

    pub(super) fn members(&self) -> Map<String, Value> {
        let member = |name: &str, value: &Option<String>| {
            value.clone().map(|value| (name.to_owned(), Value::String(value)))
        };
        [member("token", &self.token), member("password", &self.password)]
            .into_iter()
            .flatten()
            .collect()
    }
}
