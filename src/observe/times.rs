//! When bytes and frames of one direction were seen, and the longest time without any.

use crate::session::{Offset, Silence, Traffic};

/// A time that may not have come; eight bytes instead of the sixteen of an `Option`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment(u64);

impl Default for Moment {
    fn default() -> Self {
        Self(u64::MAX)
    }
}

impl Moment {
    const fn of(offset: Offset) -> Self {
        Self(offset.micros())
    }

    fn get(self) -> Option<Offset> {
        (self != Self::default()).then_some(Offset(self.0))
    }
}

#[derive(Debug, Default)]
pub(super) struct Times {
    first_byte: Moment,
    last_byte: Moment,
    last_data: Moment,
    last_control: Moment,
    silence_from: Moment,
    silence: Offset,
}

impl Times {
    /// Bytes came.
    pub(super) fn chunk(&mut self, now: Offset) {
        if let Some(last) = self.last_byte.get() {
            let silence = now.since(last);
            if silence > self.silence {
                self.silence = silence;
                self.silence_from = Moment::of(last);
            }
        } else {
            self.first_byte = Moment::of(now);
        }
        self.last_byte = Moment::of(now);
    }

    pub(super) fn data_frame(&mut self, now: Offset) {
        self.last_data = Moment::of(now);
    }

    pub(super) fn control_frame(&mut self, now: Offset) {
        self.last_control = Moment::of(now);
    }

    pub(super) fn write(&self, traffic: &mut Traffic) {
        traffic.first_byte = self.first_byte.get();
        traffic.last_byte = self.last_byte.get();
        traffic.last_data_frame = self.last_data.get();
        traffic.last_control_frame = self.last_control.get();
        traffic.longest_silence =
            self.silence_from.get().map(|from| Silence { ms: self.silence, from });
    }
}
