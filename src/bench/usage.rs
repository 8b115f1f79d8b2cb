//! What processes take of the processors, from /proc.

use super::world::World;
use std::{fs, time::Instant};

/// Ticks of /proc a second: fixed for programs, whatever the kernel's own are.
const TICKS: f64 = 100.0;

/// Processors that were busy, on average.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cores {
    pub gateway: f64,
    pub runner: f64,
    /// Every process of this machine that is called postgres.
    pub postgres: f64,
    /// The senders and the far end.
    pub load: f64,
}

pub struct Usage {
    at: Instant,
    gateway: u64,
    runner: u64,
    postgres: u64,
    load: u64,
}

impl Usage {
    pub fn of(world: &World) -> Self {
        Self {
            at: Instant::now(),
            gateway: ticks(world.gateway.id()).unwrap_or_default(),
            runner: ticks(world.runner.id()).unwrap_or_default(),
            postgres: named("postgres").filter_map(ticks).sum(),
            load: ticks(std::process::id()).unwrap_or_default(),
        }
    }

    pub fn since(&self, world: &World) -> Cores {
        let now = Self::of(world);
        let seconds = now.at.duration_since(self.at).as_secs_f64().max(0.001);
        let cores = |before: u64, after: u64| after.saturating_sub(before) as f64 / TICKS / seconds;
        Cores {
            gateway: cores(self.gateway, now.gateway),
            runner: cores(self.runner, now.runner),
            postgres: cores(self.postgres, now.postgres),
            load: cores(self.load, now.load),
        }
    }
}

fn named(name: &'static str) -> impl Iterator<Item = u32> {
    let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(move |id: &u32| fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|comm| comm.trim() == name))
}

/// Of user and system, of all its threads. The name, in brackets, may have spaces.
fn ticks(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Bytes that are resident.
pub fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
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
        assert_eq!((ticks(0), resident(0)), (None, 0));
    }
}
