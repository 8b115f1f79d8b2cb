//! A real SMTP server for tests, the demo's own: STARTTLS and a login, or no mail is taken; what it takes is a Maildir.
#![allow(dead_code, reason = "each test binary uses its own part")]

use super::process::{Process, free_port};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

pub struct MailServer {
    pub port: u16,
    folder: PathBuf,
    _process: Process,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mail {
    pub message_id: String,
    pub to: String,
}

impl MailServer {
    /// In `folder`, which it fills: its certificate for localhost and 127.0.0.1 (signed by [`MailServer::ca`]), its login, its mail.
    pub async fn start(folder: &Path, username: &str, password: &str) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("username"), username).unwrap();
        fs::write(folder.join("password"), password).unwrap();
        told(
            Command::new(tests.join("cluster/certificate"))
                .arg(folder.join("pki"))
                .args(["mail", "/CN=localhost", "DNS:localhost,IP:127.0.0.1"]),
        );
        let script = r#"set -euo pipefail; . "$1/cluster/machine.sh"; python_with "$1/demo/requirements.txt""#;
        let python = told(Command::new("bash").args(["-c", script, "python"]).arg(&tests));
        let port = free_port();
        let command = [
            python.trim().into(),
            tests.join("demo/mail_server").into_os_string(),
            folder.into(),
            "127.0.0.1".into(),
            port.to_string().into(),
        ];
        let process = Process::start(command, folder.join("log"));
        for _ in 0..1_000 {
            if process.log().contains("taking mail") {
                return Self {
                    port,
                    folder: folder.to_owned(),
                    _process: process,
                };
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the mail server does not take mail");
    }

    pub fn ca(&self) -> String {
        fs::read_to_string(self.folder.join("pki/ca.crt")).unwrap()
    }

    /// Everything it took, in the order of Message-ID.
    pub fn mails(&self) -> Vec<Mail> {
        let mut mails: Vec<Mail> = self.texts().iter().map(|mail| read(mail)).collect();
        mails.sort();
        mails
    }

    /// Everything it took, as it came, oldest first.
    pub fn texts(&self) -> Vec<String> {
        // The folder is there from the first mail on.
        let taken = fs::read_dir(self.folder.join("mail/new")).into_iter().flatten();
        let mut files: Vec<PathBuf> = taken.map(|file| file.unwrap().path()).collect();
        files.sort();
        let text = |file: &PathBuf| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
        files.iter().map(text).collect()
    }
}

fn read(mail: &str) -> Mail {
    let header = |name: &str| {
        let line = mail.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        });
        line.unwrap_or_else(|| panic!("a mail without {name}:\n{mail}"))
    };
    Mail {
        message_id: header("Message-ID"),
        to: header("To"),
    }
}

/// What a command printed; it must succeed.
fn told(command: &mut Command) -> String {
    let said = command.output().unwrap();
    assert!(
        said.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&said.stderr)
    );
    String::from_utf8(said.stdout).unwrap()
}
