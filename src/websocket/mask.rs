//! Masking (RFC 6455 §5.3).

/// Applies `key` to `bytes`, the first of which stands at `offset` of the payload.
/// Masking twice gives the original.
pub fn unmask(bytes: &mut [u8], key: [u8; 4], offset: u64) {
    // The low two bits choose the place in the key; the cast keeps exactly them.
    let turn = (offset & 3) as usize;
    let key = [key[turn], key[(turn + 1) & 3], key[(turn + 2) & 3], key[(turn + 3) & 3]];
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let word = u64::from_ne_bytes(chunk.try_into().unwrap_or_default()) ^ wide;
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::unmask;

    #[test]
    fn the_rfc_example_unmasks() {
        // §5.7: a single-frame masked text message, "Hello".
        let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        unmask(&mut payload, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(&payload, b"Hello");
    }

    #[test]
    fn a_payload_unmasks_alike_in_pieces() {
        let key = [1, 2, 3, 4];
        let whole: Vec<u8> = (0..100).collect();
        let mut expected = whole.clone();
        unmask(&mut expected, key, 0);
        for cut in 0..whole.len() {
            let mut pieces = whole.clone();
            let (a, b) = pieces.split_at_mut(cut);
            unmask(a, key, 0);
            unmask(b, key, cut as u64);
            assert_eq!(pieces, expected, "cut at {cut}");
        }
    }
}
