//! A real PostgreSQL for tests: its own server in a temporary folder on a free port of 127.0.0.1, one for all tests of a binary, a database
//! for each test. It ends with the process that started it, however that ends: a shell keeps it, and clears up when its standard input closes.
#![allow(dead_code)]

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// Starts, stops and starts again what it is told, in the folder `$1` with the binaries in `$2` on port `$3`; where `$5` is another server's port,
/// a standby of that one. What follows are settings.
const KEEPER: &str = r#"
folder=$1 bin=$2 port=$3 tls=$4 primary=$5
shift 5
umask 077
# Interrupted with its parent, it clears up all the same.
trap : INT TERM HUP
begin() {
    ${preload:+env LD_PRELOAD="$preload"} "$bin/postgres" -D "$folder/data" -h 127.0.0.1 -p "$port" -k "" -c fsync=off -c full_page_writes=off -c synchronous_commit=on \
        -c max_connections=200 -c shared_buffers=64MB -c ssl="$tls" "$@" >>"$folder/log" 2>&1 &
    server=$!
}
ready() {
    until "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; do
        if ! kill -0 $server 2>/dev/null; then
            # The memory of one that was killed is in use until the last of its children is gone.
            tries=$((tries - 1))
            [ $tries -gt 0 ] || { echo failed; tail -n 20 "$folder/log" >&2; return; }
            sleep 0.3
            begin "$@"
        fi
        sleep 0.05
    done
    echo ready
}
end() { kill -$1 $server 2>/dev/null; wait $server; }
crash() {
    children=$(cat "/proc/$server/task/$server/children" 2>/dev/null)
    kill -KILL $server $children 2>/dev/null
    wait $server
}
make() {
    if [ -n "$primary" ]; then
        "$bin/pg_basebackup" -h 127.0.0.1 -p "$primary" -U postgres -D "$folder/data" -X stream -c fast -R --no-sync
    else
        "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync
    fi
}
make >"$folder/log" 2>&1 || { echo failed; tail -n 20 "$folder/log" >&2; }
if [ "$tls" = on ]; then
    cd "$folder" &&
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.crt &&
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout data/server.key -out server.csr &&
    printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' >san &&
    openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile san -out data/server.crt &&
    chmod 644 ca.crt && chmod 755 "$folder"
fi >>"$folder/log" 2>&1
tries=1
begin "$@"
ready "$@"
while read -r order; do
    case $order in
        stop) end QUIT; echo stopped;;
        shut) end INT; echo stopped;;
        crash) crash; echo stopped;;
        start) tries=20; kill -0 $server 2>/dev/null || begin "$@"; ready "$@";;
        fill) dd if=/dev/zero of="$folder/data/ballast" bs=16k 2>/dev/null; echo full;;
        free) rm "$folder/data/ballast"; echo free;;
    esac
done
end QUIT
# What is mounted into it goes with this shell only.
rm -rf "$folder" 2>/dev/null
"#;

pub struct Server {
    pub port: u16,
    folder: PathBuf,
    keeper: Mutex<Keeper>,
}

struct Keeper {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What is unlike the usual about a server.
#[derive(Debug, Default)]
pub struct Oddities<'a> {
    pub tls: bool,
    /// NAME=VALUE, instead of those that spare the disk.
    pub settings: &'a [&'a str],
    /// Its data are on a file system of so many MB that only its own processes see and that goes with them. Root can make one.
    pub megabytes: Option<u32>,
    /// It is a hot standby of the server with this port.
    pub primary: Option<u16>,
    /// Variables of its environment, and the library that is loaded into it first.
    pub preload: Option<(&'a Path, Vec<(String, String)>)>,
}

/// A crash of the machine would lose nothing either.
pub const DURABLE: [&str; 2] = ["fsync=on", "full_page_writes=on"];

static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Server {
    /// The one that all tests of a binary share; nobody may stop it.
    pub fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Server::start)
    }

    pub fn start() -> Server {
        Self::with(&Oddities::default())
    }

    /// A hot standby of this one.
    pub fn standby(&self) -> Server {
        Self::with(&Oddities {
            primary: Some(self.port),
            ..Oddities::default()
        })
    }

    /// With a certificate for `localhost` that is signed by [`Server::ca`].
    pub fn with_tls() -> Server {
        Self::with(&Oddities {
            tls: true,
            ..Oddities::default()
        })
    }

    pub fn with(odd: &Oddities<'_>) -> Server {
        let bin = binaries();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|socket| socket.local_addr())
            .unwrap()
            .port();
        let folder = std::env::temp_dir().join(format!("journey-postgres-{}-{port}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let mut words: Vec<String> = Vec::new();
        let mut say = |more: &[&str]| words.extend(more.iter().map(ToString::to_string));
        if let Some(size) = odd.megabytes {
            assert!(is_root(), "a bounded file system is to be made: run this test as root");
            std::fs::create_dir(folder.join("data")).unwrap();
            let mount = format!(
                "mount -t tmpfs -o size={size}m,mode=0700,uid=postgres tmpfs {}/data && exec \"$@\"",
                folder.display()
            );
            say(&[
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                &mount,
                "sh",
            ]);
        }
        if is_root() {
            // PostgreSQL refuses to run as root.
            let owned = Command::new("chown").arg("postgres").arg(&folder).status().unwrap();
            assert!(owned.success(), "there is no user postgres");
            say(&["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]);
        }
        let tls = if odd.tls { "on" } else { "off" };
        say(&[
            "sh",
            "-c",
            KEEPER,
            "keeper",
            folder.to_str().unwrap(),
            bin.to_str().unwrap(),
        ]);
        let primary = odd.primary.map(|port| port.to_string()).unwrap_or_default();
        say(&[&port.to_string(), tls, &primary]);
        for setting in odd.settings {
            say(&["-c", setting]);
        }
        let mut command = Command::new(&words[0]);
        if let Some((library, environment)) = &odd.preload {
            command.env("preload", library);
            command.envs(environment.iter().map(|(name, value)| (name, value)));
        }
        let mut child = command
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh (and as root setpriv) is there");
        let (orders, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let server = Server {
            port,
            folder,
            keeper: Mutex::new(Keeper { child, orders, answers }),
        };
        server.keeper.lock().unwrap().expect("ready");
        server
    }

    /// At once: whoever is connected is cut off, and what is committed is recovered at the next start.
    pub fn stop(&self) {
        self.keeper.lock().unwrap().order("stop", "stopped");
    }

    /// As an administrator does it: whoever is connected is told, and everything is written.
    pub fn shut(&self) {
        self.keeper.lock().unwrap().order("shut", "stopped");
    }

    /// kill -9 of the server and of all its children.
    pub fn crash(&self) {
        self.keeper.lock().unwrap().order("crash", "stopped");
    }

    /// Leaves not a block of its file system free.
    pub fn fill(&self) {
        self.keeper.lock().unwrap().order("fill", "full");
    }

    /// The opposite of [`Server::fill`].
    pub fn free(&self) {
        self.keeper.lock().unwrap().order("free", "free");
    }

    /// Whether it has ended or not: some ends are its own.
    pub fn start_again(&self) {
        self.keeper.lock().unwrap().order("start", "ready");
    }

    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    pub fn url(&self, database: &str) -> String {
        self.url_of("postgres", database)
    }

    pub fn url_of(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Makes an empty database and gives its name.
    pub async fn database(&self) -> String {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let admin = connect(&self.url("postgres")).await;
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        name
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(keeper.orders.take());
        let deadline = Instant::now() + Duration::from_secs(10);
        while matches!(keeper.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        // Gone already, but where something was mounted into it.
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

impl Keeper {
    fn order(&mut self, order: &str, answer: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
        self.expect(answer);
    }

    fn expect(&mut self, answer: &str) {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert_eq!(
            line.trim(),
            answer,
            "PostgreSQL did not do as told; what it said is above"
        );
    }
}

/// A plain connection, for looking into tables.
pub async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The newest installed; installs the package when there is none and this is root.
fn binaries() -> PathBuf {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    let installed = || {
        let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
            .filter(|(_, bin): &(u32, PathBuf)| bin.join("postgres").exists())
            .collect();
        found.sort();
        let in_path = || {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path).find(|bin| bin.join("postgres").exists() && bin.join("initdb").exists())
        };
        found.pop().map(|(_, bin)| bin).or_else(in_path)
    };
    BINARIES
        .get_or_init(|| {
            if installed().is_none() && is_root() {
                let install = "export DEBIAN_FRONTEND=noninteractive; \
                    apt-get install -y --no-install-recommends postgresql || { apt-get update && apt-get install -y --no-install-recommends postgresql; }";
                let _ = Command::new("sh").args(["-c", install]).stdout(Stdio::null()).status();
            }
            installed().expect("no PostgreSQL server found: install the package postgresql, or put its bin folder into PATH")
        })
        .clone()
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|said| said.stdout.starts_with(b"0\n"))
}
