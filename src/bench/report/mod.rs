//! What was found, for people and for programs.

mod program;
mod table;

pub use program::json;
pub use table::text;

use super::usage::Cores;
use hdrhistogram::Histogram;

const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];

/// In milliseconds; None: nothing was measured.
fn percentiles(of: &Histogram<u64>) -> Option<Vec<(&'static str, f64)>> {
    let at = PERCENTILES.map(|(name, part)| (name, milli(of.value_at_percentile(part))));
    (!of.is_empty()).then(|| at.into_iter().chain([("most", milli(of.max()))]).collect())
}

/// Microseconds of a processor that each of `per_second` took: in the gateway, the runner, PostgreSQL and the load.
fn each(cores: &Cores, per_second: f64) -> [f64; 4] {
    let Cores {
        gateway,
        runner,
        postgres,
        load,
    } = *cores;
    [gateway, runner, postgres, load].map(|cores| cores * 1e6 / per_second.max(1.0))
}

fn milli(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

fn mega(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
