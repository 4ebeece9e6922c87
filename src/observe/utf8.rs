//! Whether a text that comes in pieces is UTF-8 (RFC 6455 §8.1).

use simdutf8::compat::from_utf8;

/// Checks one text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8 {
    /// Beginning of a character whose end is to come.
    open: [u8; 4],
    open_len: u8,
    broken: bool,
}

impl Utf8 {
    pub(super) fn feed(&mut self, mut piece: &[u8]) {
        while self.open_len > 0 && !self.broken {
            let Some((byte, rest)) = piece.split_first() else { return };
            piece = rest;
            self.hold(&[*byte]);
            let open = self.open;
            self.judge(&open[..usize::from(self.open_len)]);
        }
        if !self.broken {
            self.judge(piece);
        }
    }

    /// Whether the text, now that it is over, was UTF-8.
    pub(super) fn is_valid(self) -> bool {
        !self.broken && self.open_len == 0
    }

    fn judge(&mut self, bytes: &[u8]) {
        self.open_len = 0;
        if let Err(error) = from_utf8(bytes) {
            if error.error_len().is_some() {
                self.broken = true;
            } else {
                self.hold(&bytes[error.valid_up_to()..]);
            }
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(place) = self.open.get_mut(usize::from(self.open_len)) {
                *place = *byte;
                self.open_len += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn valid(pieces: &[&[u8]]) -> bool {
        let mut utf8 = Utf8::default();
        for piece in pieces {
            utf8.feed(piece);
        }
        utf8.is_valid()
    }

    proptest! {
        #[test]
        fn pieces_are_judged_as_the_whole(
            text in "[aé€😀]{0,6}",
            junk in proptest::collection::vec(any::<u8>(), 0..4),
            at in any::<proptest::sample::Index>(),
            size in 1_usize..5,
        ) {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, junk);
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(valid(&pieces), str::from_utf8(&bytes).is_ok());
        }
    }
}
