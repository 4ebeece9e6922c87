//! From an error of the operating system to the cause that a failed dial is recorded with.

use std::io;

use crate::{
    session::{DialFailure, DialStep},
    socket::errno_name,
};

/// The word of `DialFailure::cause` for an error of connecting.
pub(super) fn cause_of(error: &io::Error) -> &'static str {
    use io::ErrorKind as Kind;
    const CAUSES: [(Kind, &str); 10] = [
        (Kind::ConnectionRefused, "refused"),
        (Kind::ConnectionReset, "reset"),
        (Kind::BrokenPipe, "reset"),
        (Kind::TimedOut, "timeout"),
        (Kind::NotFound, "no_such_file"),
        (Kind::PermissionDenied, "permission"),
        (Kind::HostUnreachable, "unreachable"),
        (Kind::NetworkUnreachable, "unreachable"),
        (Kind::NetworkDown, "unreachable"),
        (Kind::AddrNotAvailable, "unreachable"),
    ];
    let known = CAUSES.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or("other", |(_, cause)| cause)
}

pub(super) fn failure(step: DialStep, cause: &str, detail: String) -> DialFailure {
    DialFailure { step, cause: cause.to_owned(), detail, timed_out: cause == "timeout" }
}

/// The failure of connecting to `place`, in words for people.
pub(super) fn connect_failure(place: &str, error: &io::Error) -> DialFailure {
    let cause = cause_of(error);
    let name = errno_name(error);
    let detail = match cause {
        "refused" => format!("{place} refused the connection ({name}): nothing listens there"),
        "reset" => format!("{place} reset the connection ({name})"),
        "timeout" => format!("{place} did not answer ({name})"),
        "no_such_file" => format!("{place} does not exist ({name})"),
        "permission" => format!("connecting to {place} is not permitted ({name})"),
        "unreachable" => format!("{place} is unreachable ({name})"),
        _ => format!("connecting to {place} failed ({name})"),
    };
    failure(DialStep::Connect, cause, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_word_and_its_name() {
        for (code, cause, name) in [
            (libc::ECONNREFUSED, "refused", "ECONNREFUSED"),
            (libc::EHOSTUNREACH, "unreachable", "EHOSTUNREACH"),
            (libc::ETIMEDOUT, "timeout", "ETIMEDOUT"),
            (libc::EACCES, "permission", "EACCES"),
            (libc::ENOENT, "no_such_file", "ENOENT"),
            (libc::EPROTO, "other", "EPROTO"),
        ] {
            let failed = connect_failure("a:1", &io::Error::from_raw_os_error(code));
            assert_eq!((failed.cause.as_str(), failed.timed_out), (cause, cause == "timeout"));
            assert!(failed.detail.contains(name) && failed.detail.contains("a:1"));
        }
    }
}
