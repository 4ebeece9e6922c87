//! Reproducible random bytes.

use ring::digest;

use crate::wire::Conn;

/// A seeded source of bytes.
#[derive(Debug)]
pub(crate) struct Noise(pub(crate) fastrand::Rng);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill(&mut bytes);
        bytes
    }

    /// Sends so many bytes and gives their SHA-256.
    pub(crate) fn send(&mut self, to: &mut Conn, count: usize) -> Vec<u8> {
        let mut sum = digest::Context::new(&digest::SHA256);
        let mut left = count;
        // One block again and again, its beginning renewed: making noise must not be what is slow.
        let mut block = self.bytes(256 << 10);
        while left > 0 {
            self.0.fill(&mut block[..512]);
            let size = left.min(block.len());
            sum.update(&block[..size]);
            to.send(&block[..size]);
            left -= size;
        }
        sum.finish().as_ref().to_vec()
    }
}
