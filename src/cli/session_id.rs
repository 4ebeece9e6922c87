//! Sessions as people name them: by the beginning of the id.

use anyhow::bail;

use super::UsageError;
use crate::session::SessionId;
use crate::store::{FindError, Reader};

pub(super) fn by_prefix(reader: &Reader, prefix: &str) -> anyhow::Result<SessionId> {
    const LISTED: &str = "`wstap sessions` lists them";
    let plausible = !prefix.is_empty()
        && prefix.len() <= SessionId::LEN
        && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plausible {
        bail!(UsageError(format!("{prefix:?} is not the beginning of a session id; {LISTED}")));
    }
    match reader.find(prefix) {
        Ok(id) => Ok(id),
        Err(FindError::Store(error)) => Err(error.into()),
        Err(FindError::NotFound { .. }) => {
            bail!(UsageError(format!("no session starts with {prefix:?}; {LISTED}")))
        }
        Err(FindError::Ambiguous { ids, .. }) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let ids = ids.join(", ");
            bail!(UsageError(format!("{prefix:?} may be {ids}; type more of the id")))
        }
    }
}
