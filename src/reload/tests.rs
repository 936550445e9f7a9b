//! Packs on disk that change, and what a builder makes of them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::engine::PatchEngine;
use super::*;
use crate::detect::{Layer, Ruleset};
use crate::pack::{self, test_patch};
use crate::signature::{Classes, Variables};

/// Rules of the patch that makes a pack a large one.
const MANY: u32 = 600;

/// A folder of packs with one pack in it.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        disk.manifest("1.0.0");
        disk.patch("first", &rule(1, ""));
        disk
    }

    fn large() -> Self {
        let disk = Self::new();
        let rules: String = (1_000..1_000 + MANY).map(|sid| rule(sid, "")).collect();
        disk.patch("many", &rules);
        disk
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("packs/one")
    }

    fn manifest(&self, version: &str) {
        fs::create_dir_all(self.folder()).unwrap();
        let text = format!(
            "name = \"one\"\nversion = \"{version}\"\nserial = 1\ndescription = \"d\"\n\
             sids = [1, 9999]\nminimum_engine = \"0.1.0\"\n"
        );
        fs::write(self.folder().join("pack.toml"), text).unwrap();
    }

    fn patch(&self, id: &str, rules: &str) {
        let folder = self.folder().join(id);
        let description = format!(
            "id = \"{id}\"\ntitle = \"t\"\ncve = [\"CVE-2020-0001\"]\npublished = 2020-01-01\n\
             owner = \"o\"\nmode = \"prevent\"\nresponse = \"drop\"\ncoverage = \"c\"\naffects = []\n"
        );
        let word = rules.split("content:\"").nth(1).unwrap();
        let word = word.split('"').next().unwrap();
        for (kind, target) in [("attack", word), ("benign", "harmless")] {
            fs::create_dir_all(folder.join(kind)).unwrap();
            let scenario = format!(
                "title = \"t\"\nserver_port = 80\n[[message]]\nfrom = \"client\"\n\
                 text = \"GET /{target} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n"
            );
            fs::write(folder.join(kind).join("a.toml"), scenario).unwrap();
        }
        fs::write(folder.join("patch.toml"), description).unwrap();
        fs::write(folder.join("patch.rules"), rules).unwrap();
    }

    fn remove(&self, id: &str) {
        fs::remove_dir_all(self.folder().join(id)).unwrap();
    }

    fn builder(&self, test_packs: bool) -> (Builder, Arc<Ruleset>) {
        let sources = Sources {
            packs: vec![self.0.path().join("packs")],
            test_packs,
            ..Sources::default()
        };
        let mut builder = Builder::new(sources, Holds::default());
        let built = builder.build(Strictness::Start).unwrap();
        (builder, built.ruleset)
    }

    /// Whether the attack and the benign scenario of a patch on disk hold against a ruleset.
    fn holds(&self, id: &str, ruleset: &Arc<Ruleset>) -> bool {
        let (variables, classes) = (Variables::default(), Classes::default());
        let limits = pack::Limits::default();
        let loaded = pack::load(&self.folder(), &limits, &variables, &classes).unwrap();
        let patch = loaded.patches.iter().find(|p| p.id() == id).unwrap();
        test_patch(patch, &|| PatchEngine::new(Arc::clone(ruleset))).held
    }
}

fn rule(sid: u32, more: &str) -> String {
    format!(
        "drop http any any -> any any (msg:\"m\"; flow:established,to_server; http.uri; \
         content:\"word-{sid}-\"; {more}sid:{sid};)\n"
    )
}

fn reload(builder: &mut Builder) -> Arc<Ruleset> {
    builder.build(Strictness::Whole).unwrap().ruleset
}

fn same(a: &Arc<Layer>, b: &Arc<Layer>) -> bool {
    Arc::ptr_eq(a, b)
}

#[test]
fn a_patch_is_laid_over_a_large_pack_and_made_one_with_it_later() {
    let disk = Disk::large();
    let (mut builder, start) = disk.builder(true);
    assert_eq!(start.layers.len(), 1);
    assert!(builder.background().is_none());
    disk.patch("pushed", &rule(2, ""));
    let over = reload(&mut builder);
    assert_eq!(over.layers.len(), 2);
    assert!(
        same(&over.layers[0], &start.layers[0]),
        "what was there stays"
    );
    assert_eq!(over.layers[1].signatures().len(), 1);
    assert!(disk.holds("pushed", &over) && disk.holds("first", &over));
    assert!(!disk.holds("pushed", &start));

    let merged = builder.background().unwrap().run();
    let one = builder.take_up(&merged).unwrap();
    assert_eq!(one.ruleset.layers.len(), 1);
    assert!(one.ruleset.epoch > over.epoch);
    assert_eq!(one.summary.signatures, MANY as usize + 2);
    assert!(disk.holds("pushed", &one.ruleset) && disk.holds("first", &one.ruleset));
    assert!(
        builder.background().is_none(),
        "there is nothing left to do"
    );
    assert!(builder.take_up(&merged).is_none());

    let back = builder.rollback().unwrap().ruleset;
    assert!(
        same(&back.layers[0], &start.layers[0]),
        "before the push, not before the merging"
    );
    let forth = builder.rollback().unwrap().ruleset;
    assert!(same(&forth.layers[0], &one.ruleset.layers[0]));
}

#[test]
fn merging_leaves_alone_what_has_come_or_gone_meanwhile() {
    let disk = Disk::large();
    let (mut builder, _) = disk.builder(false);
    disk.patch("pushed", &rule(2, ""));
    reload(&mut builder);
    let first = builder.background().unwrap().run();
    disk.patch("second", &rule(3, ""));
    assert_eq!(reload(&mut builder).layers.len(), 3);
    let one = builder.take_up(&first).unwrap().ruleset;
    assert_eq!(
        one.layers.len(),
        2,
        "the second stays over what was made one"
    );
    assert!(disk.holds("pushed", &one) && disk.holds("second", &one));

    let second = builder.background().unwrap().run();
    let back = builder.rollback().unwrap().ruleset;
    assert!(builder.take_up(&second).is_none(), "it was gone back from");
    assert_eq!(back.layers.len(), 2);
    assert!(disk.holds("pushed", &back) && !disk.holds("second", &back));
}

#[test]
fn what_cannot_stand_alone_is_compiled_with_the_rest() {
    let disk = Disk::large();
    disk.patch("first", &rule(1, "flowbits:set,seen; "));
    let (mut builder, _) = disk.builder(false);
    disk.patch("asks", &rule(2, "flowbits:isset,seen; "));
    assert_eq!(reload(&mut builder).layers.len(), 1, "they share a name");
    disk.patch("other", &rule(3, "flowbits:isset,unheard; "));
    assert_eq!(reload(&mut builder).layers.len(), 2);
    disk.patch("other", &rule(4, ""));
    let changed = reload(&mut builder);
    assert_eq!(changed.layers.len(), 1, "a patch that was there changed");
    assert!(disk.holds("other", &changed));
    disk.remove("other");
    let removed = reload(&mut builder);
    assert_eq!(
        (removed.layers.len(), removed.signature_count()),
        (1, MANY as usize + 2)
    );
}

#[test]
fn layers_over_a_pack_are_few() {
    let disk = Disk::large();
    let (mut builder, _) = disk.builder(false);
    let mut most = 0;
    for sid in 2..12 {
        disk.patch(&format!("pushed-{sid}"), &rule(sid, ""));
        let now = reload(&mut builder);
        most = most.max(now.layers.len());
        assert_eq!(now.signature_count(), (MANY + sid) as usize);
    }
    assert_eq!(most, 5, "one, and four over it");
}

#[test]
fn a_small_pack_is_one_layer_and_takes_its_new_version() {
    let disk = Disk::new();
    let (mut builder, start) = disk.builder(true);
    disk.patch("pushed", &rule(2, ""));
    disk.manifest("1.0.1");
    let now = reload(&mut builder);
    assert_eq!((now.layers.len(), now.signature_count()), (1, 2));
    let versions = now.layers[0].signatures().iter().map(|s| {
        let patch = s.patch.as_ref().unwrap();
        patch.pack_version.clone()
    });
    assert_eq!(versions.collect::<Vec<_>>(), ["1.0.1", "1.0.1"]);
    assert!(!same(&start.layers[0], &now.layers[0]));
    assert!(
        same(&now.layers[0], &reload(&mut builder).layers[0]),
        "nothing changed"
    );
}

#[test]
fn a_patch_whose_scenarios_do_not_hold_is_not_laid_over() {
    let disk = Disk::large();
    let (mut builder, start) = disk.builder(true);
    disk.patch("pushed", &rule(2, ""));
    let attack = disk.folder().join("pushed/attack/a.toml");
    let text = fs::read_to_string(&attack).unwrap();
    fs::write(&attack, text.replace("word-2-", "another")).unwrap();
    let refused = builder.build(Strictness::Whole).unwrap_err().to_string();
    assert!(
        refused.contains("pushed") && refused.contains("do not hold"),
        "{refused}"
    );
    let partial = builder.build(Strictness::Partial).unwrap();
    assert_eq!(partial.ruleset.layers.len(), 1);
    assert!(same(&start.layers[0], &partial.ruleset.layers[0]));
    assert!(partial.summary.patches.iter().any(|p| p.refused.is_some()));
    assert!(builder.background().is_none());
}

#[test]
fn a_rules_file_that_did_not_change_keeps_its_layer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rules");
    fs::write(&path, rule(1, "")).unwrap();
    let sources = Sources {
        rules: vec![RulesFile::whole(&path)],
        ..Sources::default()
    };
    let mut builder = Builder::new(sources, Holds::default());
    let start = builder.build(Strictness::Start).unwrap().ruleset;
    assert!(same(&start.layers[0], &reload(&mut builder).layers[0]));
    fs::write(&path, rule(1, "") + &rule(2, "")).unwrap();
    let now = reload(&mut builder);
    assert_eq!(now.signature_count(), 2);
    assert!(
        builder.background().is_some(),
        "what it was two reloads ago is let go"
    );
    fs::write(&path, rule(1, "") + "nonsense\n").unwrap();
    assert!(builder.build(Strictness::Whole).is_err());
    assert!(same(
        &now.layers[0],
        &builder.build(Strictness::Partial).unwrap().ruleset.layers[0]
    ));
}
