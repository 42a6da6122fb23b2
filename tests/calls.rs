//! Real Asterisk, real callers.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use dragoman_tests::callers::{Baresip, Pjsua2, Plan};
use dragoman_tests::wav::Wav;
use lab::asterisk::{Asterisk, Options};
use lab::cache::Cache;
use lab::run_dir::RunDir;

#[test]
fn echo() {
    let cache = Cache::locate().unwrap();
    let run = RunDir::create(&cache).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let options = Options::new(
        cache.prefix(),
        root.join("target/driver/libchan_slinpipe.so"),
        root.join("asterisk-conf"),
        run.path().to_owned(),
    )
    .unwrap();
    let asterisk = Asterisk::start(options).unwrap();
    let speech = Wav::read(&PathBuf::from("/root/.cache/dragoman/speech/pocketsphinx-testdata/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0930.wav")).padded(Duration::from_secs(2), Duration::from_secs(1));
    let path = run.join("speech.wav");
    speech.write(&path);
    let plan = Plan {
        sip: asterisk.sip(),
        extension: "799",
        phone: &asterisk.phones()[0],
        codec: "G722",
        speech: &path,
        directory: run.path(),
    };
    if std::env::var_os("KEEP").is_some() {
        eprintln!("SECRET {} {}", asterisk.phones()[0].secret, path.display());
        thread::sleep(Duration::from_secs(300));
    }
    std::process::Command::new("sh")
        .arg("-c")
        .arg(format!(
            "cp {} /tmp/w/ast.log; (sleep 6; cp {} /tmp/w/ast.log)&",
            run.join("asterisk.log").display(),
            run.join("asterisk.log").display()
        ))
        .status()
        .unwrap();
    let mut caller = Pjsua2::call(&plan);
    caller.speak();
    thread::sleep(Duration::from_secs(6));
    let heard = caller.hang_up();
    heard.write(Path::new("/tmp/w/pj.wav"));
    let caller = Baresip::call(&Plan { codec: "l16/16000/1", ..plan });
    thread::sleep(Duration::from_secs(6));
    let heard = caller.hang_up();
    heard.write(Path::new("/tmp/w/bs.wav"));
}
