//! TLS records counted from their headers (RFC 8446 §5.1: type, version, length), whatever the
//! chunks.

use super::TlsRecords;

const HEADER: usize = 5;
/// The outer type of records that carry data, and of everything that TLS 1.3 hides.
const APPLICATION_DATA: u8 = 23;

/// Counts the records of one direction, as long as they look like records.
#[derive(Debug, Default)]
pub struct RecordCounter {
    records: TlsRecords,
    header: [u8; HEADER],
    have: usize,
    body_left: usize,
    ended: bool,
}

impl RecordCounter {
    /// Whether a stream that begins with this byte may be TLS: an alert or a handshake.
    pub const fn begins(first: u8) -> bool {
        matches!(first, 21 | 22)
    }

    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.ended {
            if self.body_left > 0 {
                let take = self.body_left.min(bytes.len());
                self.body_left -= take;
                bytes = &bytes[take..];
                continue;
            }
            let take = (HEADER - self.have).min(bytes.len());
            self.header[self.have..self.have + take].copy_from_slice(&bytes[..take]);
            self.have += take;
            bytes = &bytes[take..];
            if self.have == HEADER {
                self.have = 0;
                self.begin();
            }
        }
    }

    /// Those whose header was whole.
    pub const fn records(&self) -> TlsRecords {
        self.records
    }

    fn begin(&mut self) {
        let [kind, major, _, len @ ..] = self.header;
        if !matches!(kind, 20..=24) || major != 3 {
            self.ended = true;
            return;
        }
        let len = u16::from_be_bytes(len);
        self.records.records += 1;
        self.records.bytes += u64::from(len);
        self.records.largest = self.records.largest.max(len);
        self.records.non_application += u64::from(kind != APPLICATION_DATA);
        self.body_left = usize::from(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_across_any_cut() {
        let mut bytes = vec![22, 3, 1, 0, 4, 1, 2, 3, 4, 20, 3, 3, 0, 1, 1];
        bytes.extend([23, 3, 3, 1, 0]);
        bytes.extend([9; 256]);
        bytes.extend(b"not a record at all");
        for size in [1, 2, 3, 7, 1000] {
            let mut counter = RecordCounter::default();
            bytes.chunks(size).for_each(|chunk| counter.feed(chunk));
            assert_eq!(
                counter.records(),
                TlsRecords { records: 3, bytes: 261, largest: 256, non_application: 2 }
            );
        }
    }
}
