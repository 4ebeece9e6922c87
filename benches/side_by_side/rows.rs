//! The rows of the table and what each of them measures.

use clap::ValueEnum;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Row {
    Idle,
    IdleTls,
    Stream,
    Down64,
    Down1k,
    Down64k,
    Up64,
    Up1k,
    Up64k,
    Echo1,
    Echo64,
    Upgrades,
}

/// What a load client is told to do for a row.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    Down(usize),
    Up(usize),
    /// Connections that play ping-pong.
    Echo(usize),
    Upgrades,
    /// Memory of idle sessions, on a fresh process.
    Idle,
    /// Memory over one long stream, on a fresh process.
    Stream,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    MegabytesPerSecond,
    CpuNs,
    CpuUs,
    P50Us,
    P99Us,
    PerSecond,
    KibPerSession,
    PeakMib,
}

impl Row {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Idle => "idle session, plain",
            Self::IdleTls => "idle session, one TLS leg",
            Self::Stream => "long stream, 1 MiB frames",
            Self::Down64 => "down 64 B",
            Self::Down1k => "down 1 KiB",
            Self::Down64k => "down 64 KiB",
            Self::Up64 => "up 64 B",
            Self::Up1k => "up 1 KiB",
            Self::Up64k => "up 64 KiB",
            Self::Echo1 => "ping-pong 64 B, 1 connection",
            Self::Echo64 => "ping-pong 64 B, 64 connections",
            Self::Upgrades => "upgrades, 16 at a time",
        }
    }

    pub(crate) fn work(self) -> Work {
        match self {
            Self::Idle | Self::IdleTls => Work::Idle,
            Self::Stream => Work::Stream,
            Self::Down64 => Work::Down(64),
            Self::Down1k => Work::Down(1024),
            Self::Down64k => Work::Down(64 * 1024),
            Self::Up64 => Work::Up(64),
            Self::Up1k => Work::Up(1024),
            Self::Up64k => Work::Up(64 * 1024),
            Self::Echo1 => Work::Echo(1),
            Self::Echo64 => Work::Echo(64),
            Self::Upgrades => Work::Upgrades,
        }
    }

    pub(crate) fn metrics(self) -> &'static [Metric] {
        match self.work() {
            Work::Down(_) | Work::Up(_) => &[Metric::MegabytesPerSecond, Metric::CpuNs],
            Work::Echo(_) => &[Metric::P50Us, Metric::P99Us, Metric::CpuUs],
            Work::Upgrades => &[Metric::PerSecond, Metric::CpuUs],
            Work::Idle => &[Metric::KibPerSession],
            Work::Stream => &[Metric::PeakMib, Metric::MegabytesPerSecond],
        }
    }

    /// Memory is measured on a process that has done nothing before, once; everything else in rounds.
    pub(crate) fn needs_fresh_process(self) -> bool {
        matches!(self.work(), Work::Idle | Work::Stream)
    }
}

impl Metric {
    pub(crate) fn title(self, row: Row) -> &'static str {
        match self {
            Self::MegabytesPerSecond => "MB/s",
            Self::CpuNs => "CPU, ns per frame",
            Self::CpuUs if matches!(row.work(), Work::Upgrades) => "CPU, µs per upgrade",
            Self::CpuUs => "CPU, µs per round trip",
            Self::P50Us => "p50, µs",
            Self::P99Us => "p99, µs",
            Self::PerSecond => "per second",
            Self::KibPerSession => "KiB per session",
            Self::PeakMib => "peak, MiB",
        }
    }
}
