//! Connecting while the process is about out of descriptors.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

/// How long a dial waits for a descriptor, and how often it asks.
const PATIENCE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(20);

/// Connects, again and again while no descriptor is to be had: the one that was kept for this dial
/// may go to somebody else in the moment in which it is free, and another one comes back soon.
pub(super) async fn patiently<T, F>(mut connect: impl FnMut() -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let until = Instant::now() + PATIENCE;
    loop {
        match connect().await {
            Err(error) if is_shortage(&error) && Instant::now() < until => {
                tokio::time::sleep(AGAIN).await;
            }
            connected => return connected,
        }
    }
}

fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    async fn after(failures: u32, code: i32) -> (io::Result<()>, u32) {
        let asked = Cell::new(0);
        let connect = || {
            asked.set(asked.get() + 1);
            let failed = asked.get() <= failures;
            async move { if failed { Err(io::Error::from_raw_os_error(code)) } else { Ok(()) } }
        };
        (patiently(connect).await, asked.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_dial_waits_for_a_descriptor_but_not_for_ever() {
        let (connected, asked) = after(3, libc::EMFILE).await;
        assert!(connected.is_ok() && asked == 4, "{asked}");
        let (connected, asked) = after(u32::MAX, libc::ENFILE).await;
        assert_eq!(connected.unwrap_err().raw_os_error(), Some(libc::ENFILE));
        assert_eq!(asked, 101);
    }

    #[tokio::test(start_paused = true)]
    async fn no_other_failure_is_waited_for() {
        let (connected, asked) = after(1, libc::ECONNREFUSED).await;
        assert!(connected.is_err() && asked == 1, "{asked}");
    }
}
