//! The two questions to the kernel that no safe library asks: `TCP_INFO` and `SIOCOUTQ`.

use std::{
    io,
    mem::size_of,
    os::fd::{AsRawFd, BorrowedFd},
};

use crate::session::{Leg, Offset, TcpSample};

/// The first 104 bytes of Linux's `struct tcp_info`, which only ever grows at its end.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Prefix {
    state: u8,
    ca_state: u8,
    retransmits: u8,
    probes: u8,
    backoff: u8,
    options: u8,
    window_scales: u8,
    flags: u8,
    rto: u32,
    ato: u32,
    snd_mss: u32,
    rcv_mss: u32,
    unacked: u32,
    sacked: u32,
    lost: u32,
    retrans: u32,
    fackets: u32,
    last_data_sent: u32,
    last_ack_sent: u32,
    last_data_recv: u32,
    last_ack_recv: u32,
    pmtu: u32,
    rcv_ssthresh: u32,
    rtt: u32,
    rttvar: u32,
    snd_ssthresh: u32,
    snd_cwnd: u32,
    advmss: u32,
    reordering: u32,
    rcv_rtt: u32,
    rcv_space: u32,
    total_retrans: u32,
}

pub(super) fn sample(fd: BorrowedFd<'_>, leg: Leg, at: Offset) -> io::Result<TcpSample> {
    let (info, unacked_bytes) = ask(fd)?;
    Ok(TcpSample {
        leg,
        at,
        rtt_us: info.rtt,
        rttvar_us: info.rttvar,
        retransmits: info.total_retrans,
        unacked: info.unacked,
        unacked_bytes,
        snd_mss: info.snd_mss,
        rcv_mss: info.rcv_mss,
        snd_cwnd: info.snd_cwnd,
        state: info.state,
    })
}

/// Bytes in the send queue, sent or not, that the peer has not acknowledged.
#[expect(unsafe_code, reason = "an ioctl that writes one int which outlives the call")]
pub(super) fn unsent(fd: BorrowedFd<'_>) -> io::Result<u32> {
    let mut queued: libc::c_int = 0;
    // SAFETY: `fd` is open for the whole call, for it is borrowed; SIOCOUTQ (the number of
    // TIOCOUTQ) writes one int to the address, which is that of a live, writable int.
    let answer = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut queued) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u32::try_from(queued).unwrap_or(0))
}

#[expect(unsafe_code, reason = "getsockopt into a plain struct whose size is handed over")]
fn ask(fd: BorrowedFd<'_>) -> io::Result<(Prefix, u32)> {
    let mut info = Prefix::default();
    let mut len = libc::socklen_t::try_from(size_of::<Prefix>()).unwrap_or(0);
    // SAFETY: `fd` is borrowed, so open; the kernel writes at most `len` bytes to `info`, which
    // is exactly that long, is made of integers only, so that any bytes are valid, and outlives
    // the call; `len` is a live, writable socklen_t.
    let answer = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut len,
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    if usize::try_from(len).unwrap_or(0) < size_of::<Prefix>() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the kernel's TCP_INFO is short"));
    }
    Ok((info, unsent(fd)?))
}
