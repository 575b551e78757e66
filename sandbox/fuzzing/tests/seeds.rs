//! The seeds of the fuzz targets, and what fuzzing once found, one by one; and that each target is
//! there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tidegate_fuzzing::{TARGETS, status};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The names of what is in a folder, without what follows a dot.
fn names(folder: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(folder).expect("a folder");
    files
        .map(|file| {
            let path = file.expect("a file").path();
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

#[test]
fn every_seed_is_read() {
    for (name, target) in TARGETS {
        let folder = fuzz().join("seeds").join(name);
        let seeds = fs::read_dir(&folder).expect("a folder of seeds");
        let mut read = 0;
        for seed in seeds {
            let path = seed.expect("a seed").path();
            // Shown beside the panic of whatever fails.
            eprintln!("{}", path.display());
            target(&fs::read(path).expect("its bytes"));
            read += 1;
        }
        assert!(read > 0, "{} is empty", folder.display());
    }
}

/// What a seed is for is past the doors, not before them.
#[test]
fn every_request_reaches_what_it_is_for() {
    let folder = fuzz().join("seeds/request");
    for seed in fs::read_dir(&folder).expect("a folder of seeds") {
        let path = seed.expect("a seed").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        let expected = match &*name {
            "api-apply" | "api-decide" | "api-hold" => 202,
            "open-used" | "use-used" => 410,
            // Nobody approved, and nothing of that name is checked.
            "api-waive" | "api-withdraw" => 409,
            _ => 200,
        };
        assert_eq!(
            status(&fs::read(&path).expect("its bytes")),
            expected,
            "{name}"
        );
    }
}

#[test]
fn every_target_has_its_program_and_its_seeds() {
    let expected: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz().join("targets")), expected);
    assert_eq!(names(&fuzz().join("seeds")), expected);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("the manifest");
    for name in expected {
        let program = fs::read_to_string(fuzz().join(format!("targets/{name}.rs")));
        let calls = format!("fuzz_target!(|data: &[u8]| tidegate_fuzzing::{name}(data));");
        assert!(program.expect("a program").contains(&calls), "{name}");
        assert!(
            manifest.contains(&format!("path = \"targets/{name}.rs\"")),
            "{name}"
        );
    }
}
