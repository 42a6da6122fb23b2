//! The inputs that fuzzing begins with: real shapes of messages, and what once broke a parser.

use std::fs;
use std::path::PathBuf;

use dragoman_fuzz::TARGETS;

fn seeds(target: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("the folder can be read").path()).collect()
}

#[test]
fn every_target_begins_with_messages_that_it_understands() {
    for target in TARGETS {
        let seeds = seeds(target.name);
        assert!(!seeds.is_empty(), "{}", target.name);
        for seed in seeds {
            let understood = (target.run)(&fs::read(&seed).expect("a seed can be read"));
            let broken = seed.file_name().is_some_and(|name| name.to_string_lossy().starts_with("broke"));
            assert!(understood || broken, "{} is refused", seed.display());
        }
    }
}

#[test]
fn every_folder_of_seeds_is_a_targets() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for entry in fs::read_dir(folder).expect("there are seeds") {
        let name = entry.expect("the folder can be read").file_name();
        assert!(TARGETS.iter().any(|target| name == target.name), "{}", name.display());
    }
}
