//! Totals of one direction: frames, sizes, silences. Counted live, or again from stored frames.

use serde::{Deserialize, Serialize};

use super::Offset;

/// What went in one direction after the heads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// All bytes after the head, frame headers included.
    pub bytes: u64,
    pub frames: u64,
    /// Payload bytes of all frames, as declared by their headers.
    pub payload_bytes: u64,
    pub messages: u64,
    /// Messages that came in more than one frame.
    pub fragmented: u64,
    pub largest: u64,
    pub by_opcode: Vec<OpcodeCount>,
    pub sizes: SizeHistogram,
    pub masked: u64,
    pub unmasked: u64,
    pub rsv1: u64,
    pub rsv2: u64,
    pub rsv3: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<ViolationCount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    pub first_byte: Option<Offset>,
    pub last_byte: Option<Offset>,
    pub last_data_frame: Option<Offset>,
    pub last_control_frame: Option<Offset>,
    /// The longest time without a byte, between two bytes of this direction.
    pub longest_silence: Option<Silence>,
    /// The frame that was under way when the direction ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_frame: Option<CutFrame>,
    /// From this byte on it is not WebSocket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_websocket_from: Option<u64>,
    /// TLS records, where the bytes are an opaque TLS stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_records: Option<super::TlsRecords>,
}

/// Frames of one opcode (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpcodeCount {
    pub opcode: u8,
    pub frames: u64,
    pub bytes: u64,
}

/// Frames by payload length in powers of two, written as `[[floor, frames], …]` without zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SizeHistogram(Vec<u64>);

impl SizeHistogram {
    /// Bucket 0 holds empty frames, bucket n those of 2^(n-1) up to 2^n - 1 bytes.
    pub fn add(&mut self, len: u64, count: u64) {
        let bucket = usize::try_from(u64::BITS - len.leading_zeros()).unwrap_or_default();
        if self.0.len() <= bucket {
            self.0.resize(bucket + 1, 0);
        }
        if let Some(place) = self.0.get_mut(bucket) {
            *place += count;
        }
    }

    /// The smallest length of each bucket in use, and its frames.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0
            .iter()
            .enumerate()
            .filter(|(_, frames)| **frames > 0)
            .map(|(bucket, frames)| (if bucket == 0 { 0 } else { 1 << (bucket - 1) }, *frames))
    }
}

impl Serialize for SizeHistogram {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.buckets())
    }
}

impl<'de> Deserialize<'de> for SizeHistogram {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut histogram = Self::default();
        for (floor, frames) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            histogram.add(floor, frames);
        }
        Ok(histogram)
    }
}

/// How often a rule was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViolationCount {
    pub name: String,
    pub count: u64,
    /// Number of the first frame that broke it.
    pub first_frame: u64,
}

/// permessage-deflate (RFC 7692) in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compression {
    pub messages: u64,
    pub wire_bytes: u64,
    pub inflated_bytes: u64,
    /// Messages whose inflated size is not known: damaged, or past the limit against bombs.
    pub not_inflated: u64,
}

/// A time in which nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    pub ms: Offset,
    /// When it began.
    pub from: Offset,
}

/// A frame whose end never came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutFrame {
    pub opcode: u8,
    /// Payload length as declared; absent when even the header is incomplete.
    pub declared: Option<u64>,
    /// Payload bytes that came.
    pub have: u64,
    /// Bytes that are missing as far as the header tells.
    pub missing: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_fall_into_powers_of_two() {
        let mut sizes = SizeHistogram::default();
        for len in [0, 1, 2, 3, 125, 65_536] {
            sizes.add(len, 1);
        }
        assert_eq!(
            sizes.buckets().collect::<Vec<_>>(),
            [(0, 1), (1, 1), (2, 2), (64, 1), (65_536, 1)]
        );
    }
}
