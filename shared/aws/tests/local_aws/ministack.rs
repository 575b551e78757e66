//! A MiniStack of this test binary's own, on a free port of 127.0.0.1, and tables in it.
//!
//! **Invariant**: it ends with this process, however that ends: a shell holds the other end of a
//! pipe, and when the pipe closes it stops MiniStack and removes its files.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

/// Starts the program, waits for the pipe to close, stops it by its own PID.
const KEEPER: &str = r#""$1" 2>&1 & child=$!; cat; kill "$child"; wait "$child"; rm -rf "$2""#;

struct MiniStack {
    endpoint: String,
    /// Its standard input is the pipe.
    _keeper: Child,
}

/// The configuration of clients of the local AWS, which is started at the first call.
pub(crate) fn config() -> SdkConfig {
    static MINISTACK: OnceLock<MiniStack> = OnceLock::new();
    let ministack = MINISTACK.get_or_init(start);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&ministack.endpoint)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "000000000000",
            "local",
            None,
            None,
            "tests",
        )))
        .build()
}

fn start() -> MiniStack {
    let program = program();
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port on 127.0.0.1")
        .port();
    let files = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ministack-{port}"));
    std::fs::create_dir_all(&files).expect("a folder for MiniStack's files");
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "sh"])
        .args([&program, &files])
        .env_clear()
        .envs([
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("BIND_HOST", "127.0.0.1"),
            ("MINISTACK_HOST", "127.0.0.1"),
            ("IOT_MTLS_ENABLED", "0"),
            ("SFTP_ENABLED", "0"),
            ("PYTHONUNBUFFERED", "1"),
            ("AWS_ACCESS_KEY_ID", "000000000000"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
        ])
        .env("GATEWAY_PORT", port.to_string())
        .env("HOME", &files)
        .env("TMPDIR", &files)
        .env("DOCKER_HOST", format!("unix://{}/none", files.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let output = BufReader::new(keeper.stdout.take().expect("the output was asked for"));
    let mut said = String::new();
    let mut lines = output.lines().map_while(Result::ok);
    let ready = lines.by_ref().any(|line| {
        said.push_str(&line);
        said.push('\n');
        line.contains("Running on http")
    });
    assert!(ready, "{} ended at once:\n{said}", program.display());
    // What it says later is not looked at, but must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    MiniStack {
        endpoint: format!("http://127.0.0.1:{port}"),
        _keeper: keeper,
    }
}

/// `TIDEGATE_MINISTACK`, or the one in the repository's own Python environment.
fn program() -> PathBuf {
    let program = std::env::var_os("TIDEGATE_MINISTACK").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/ministack"),
        PathBuf::from,
    );
    assert!(
        program.exists(),
        "{} is not there: run `make test`, which installs it, or set TIDEGATE_MINISTACK",
        program.display()
    );
    program
}
