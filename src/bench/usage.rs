//! What processes take of the processors, from /proc.

use std::{fs, time::Instant};

/// Ticks of /proc a second: fixed for programs, whatever the kernel's own are.
const TICKS: f64 = 100.0;

/// Processors that were busy, on average.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cores {
    pub gateway: f64,
    pub runner: f64,
    /// 0 where it runs on another machine.
    pub postgres: f64,
    /// The senders and the far end.
    pub load: f64,
}

/// Whose time is looked at.
#[derive(Debug, Clone)]
pub struct Processes {
    pub gateway: u32,
    pub runners: Vec<u32>,
    /// None: PostgreSQL runs on another machine.
    pub postmaster: Option<u32>,
}

pub struct Usage {
    of: Processes,
    at: Instant,
    ticks: [u64; 4],
}

impl Usage {
    pub fn of(of: Processes) -> Self {
        Self {
            at: Instant::now(),
            ticks: [
                ticks(of.gateway).unwrap_or_default(),
                of.runners.iter().copied().filter_map(ticks).sum(),
                of.postmaster.map_or(0, family),
                ticks(std::process::id()).unwrap_or_default(),
            ],
            of,
        }
    }

    pub fn since(&self) -> Cores {
        let now = Self::of(self.of.clone());
        let seconds = now.at.duration_since(self.at).as_secs_f64().max(0.001);
        let cores = |n: usize| now.ticks[n].saturating_sub(self.ticks[n]) as f64 / TICKS / seconds;
        Cores {
            gateway: cores(0),
            runner: cores(1),
            postgres: cores(2),
            load: cores(3),
        }
    }
}

/// The server that a session of PostgreSQL belongs to, where it runs on this machine.
pub fn postmaster(session: u32) -> Option<u32> {
    let name = fs::read_to_string(format!("/proc/{session}/comm")).ok()?;
    (name.trim() == "postgres").then(|| parent(session)).flatten()
}

/// A process, its children, and what its children took that have ended.
fn family(process: u32) -> u64 {
    let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let children = ids.filter(|id| parent(*id) == Some(process));
    let ended = stat(process).map_or(0, |fields| fields[13] + fields[14]);
    children.chain([process]).filter_map(ticks).sum::<u64>() + ended
}

/// Of user and system, of all its threads.
fn ticks(process: u32) -> Option<u64> {
    stat(process).map(|fields| fields[11] + fields[12])
}

fn parent(process: u32) -> Option<u32> {
    u32::try_from(stat(process)?[1]).ok()
}

/// The fields of /proc/PID/stat from the state on; what is not a number is 0. The name before them, in brackets, may have spaces.
fn stat(process: u32) -> Option<Vec<u64>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields = stat.rsplit_once(')')?.1.split_whitespace();
    let fields: Vec<u64> = fields.map(|field| field.parse().unwrap_or_default()).collect();
    (fields.len() > 14).then_some(fields)
}

/// Bytes that are resident.
pub fn resident(process: u32) -> u64 {
    bytes(process, "VmRSS:")
}

/// Of these, those that the process has for itself: what is not the program's file, of which all processes of a machine have one copy.
pub fn own(process: u32) -> u64 {
    bytes(process, "RssAnon:")
}

fn bytes(process: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_takes_memory() {
        assert!(ticks(std::process::id()).is_some());
        assert!(resident(std::process::id()) > 1 << 20);
        let (own, all) = (own(std::process::id()), resident(std::process::id()));
        assert!(own > 1 << 18 && own < all, "{own} of {all}");
        assert_eq!((ticks(0), resident(0)), (None, 0));
        assert_eq!(parent(std::process::id()), Some(std::os::unix::process::parent_id()));
        assert_eq!(postmaster(std::process::id()), None, "this is no PostgreSQL");
    }
}
