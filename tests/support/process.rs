//! A process of a test: started, killed, stopped and started again; its output goes to a file, whose end is shown when the test fails. It ends
//! with the test, and where the system has `setpriv` also with a test that is killed itself.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

pub struct Process {
    command: Vec<OsString>,
    log: PathBuf,
    child: Child,
}

impl Process {
    pub fn start<I: IntoIterator<Item: Into<OsString>>>(command: I, log: PathBuf) -> Self {
        let command: Vec<OsString> = command.into_iter().map(Into::into).collect();
        let child = begin(&command, &log);
        Self { command, log, child }
    }

    /// SIGKILL: it can do nothing about it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Once more with the same command, after it has ended.
    pub fn start_again(&mut self) {
        self.child = begin(&self.command, &self.log);
    }

    /// TERM, STOP, CONT.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "kill", name, &pid])
            .status();
        assert!(sent.unwrap().success(), "{name} to {pid}");
    }

    /// How it ended; None: it still runs after `patience`.
    pub async fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(40);
            eprintln!("── the end of {} ──", self.log.display());
            log.lines().skip(from).for_each(|line| eprintln!("{line}"));
        }
    }
}

fn begin(command: &[OsString], log: &Path) -> Child {
    let output = || -> File { OpenOptions::new().create(true).append(true).open(log).unwrap() };
    let mut whole: Vec<OsString> = Vec::new();
    if dies_with_parent() {
        whole.extend(["setpriv", "--pdeathsig", "KILL"].map(OsString::from));
    }
    whole.extend_from_slice(command);
    Command::new(&whole[0])
        .args(&whole[1..])
        .stdin(Stdio::null())
        .stdout(output())
        .stderr(output())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", whole[0].display()))
}

/// setpriv replaces itself by the command, so the process id is that of the command.
fn dies_with_parent() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        let tried = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "true"])
            .stderr(Stdio::null())
            .status();
        tried.is_ok_and(|status| status.success())
    })
}

/// A port of 127.0.0.1 that nobody listens at, outside the range from which the system gives ports to outgoing connections: a process that is
/// started again finds its own port free.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let spread = u16::try_from(std::process::id() % 9_000).unwrap();
    (0..1_000)
        .map(|_| 20_000 + (spread + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("one of a thousand ports is free")
}
