//! A folder to a pack.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Files, Folder, Limits};
use super::hash::ContentHash;
use super::manifest::{Manifest, SidRange, Version};
use super::patch::{Description, Patch};
use crate::scenario::{Diagnostics, Scenario, error_at, whole_file};
use crate::signature::ast::{Signature, SignatureId};
use crate::signature::{Classes, Diagnostic, Surroundings, Variables, nearest, parse_bytes_in};
use crate::verdict::Action;

const MANIFEST: &str = "pack.toml";
const DESCRIPTION: &str = "patch.toml";
const RULES: &str = "patch.rules";
const ATTACK: &str = "attack";
const BENIGN: &str = "benign";
/// Files that the rules name.
const DATA: &str = "data";

/// A pack, as far as it could be read.
#[derive(Clone, Debug)]
pub struct LoadedPack {
    pub folder: PathBuf,
    pub manifest: Manifest,
    /// In the order of their ids.
    pub patches: Vec<Patch>,
    /// Ids of those that are as they are known.
    pub unchanged: Vec<String>,
    pub refused: Vec<Refusal>,
}

/// Of patches that were loaded before, by id: what their files held, and their signatures.
pub type KnownPatches = BTreeMap<String, (ContentHash, Vec<SignatureId>)>;

/// A patch that is not loaded, and why.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Its id, which is the name of its folder.
    pub patch: String,
    /// One line that says it all.
    pub reason: String,
    /// Errors in its files, if that is why.
    pub diagnostics: Diagnostics,
}

/// The packs that `folder` is or holds, by name.
///
/// # Errors
/// A folder that cannot be read, and one without any pack.
pub fn find_packs(folder: &Path) -> Result<Vec<PathBuf>, Diagnostics> {
    if folder.join(MANIFEST).is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let shown = folder.display().to_string();
    let unreadable = |error| vec![whole_file(&shown, format!("cannot be read: {error}"))];
    let mut packs = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.join(MANIFEST).is_file() {
            packs.push(path);
        }
    }
    if packs.is_empty() {
        let message = format!("neither a pack nor a folder of packs: no {MANIFEST}");
        return Err(vec![whole_file(&shown, message)]);
    }
    packs.sort();
    Ok(packs)
}

/// Reads the pack in `folder`. Its scenarios are checked, and not yet played.
///
/// # Errors
/// What is wrong with the pack as a whole. What is wrong with one patch is in
/// [`LoadedPack::refused`].
pub fn load(
    folder: &Path,
    limits: &Limits,
    variables: &Variables,
    classes: &Classes,
) -> Result<LoadedPack, Diagnostics> {
    let files = PackFiles::read(folder, limits)?;
    Ok(files.load(variables, classes, &KnownPatches::new()))
}

/// The files of a pack, of which only the manifest is understood so far.
#[derive(Debug)]
pub struct PackFiles {
    folder: PathBuf,
    files: Files,
    manifest: Manifest,
    hashes: BTreeMap<String, ContentHash>,
}

impl PackFiles {
    /// Reads the folder.
    ///
    /// # Errors
    /// What is wrong with the pack as a whole.
    pub fn read(folder: &Path, limits: &Limits) -> Result<Self, Diagnostics> {
        Self::of(folder, Files::read(folder, limits)?)
    }

    fn of(folder: &Path, files: Files) -> Result<Self, Diagnostics> {
        let shown = folder.join(MANIFEST).display().to_string();
        let source = files.text(MANIFEST, &shown).map_err(|e| vec![e])?;
        let manifest = Manifest::parse(&shown, source, Version::ENGINE)?;
        let folders = files
            .top_level()
            .into_iter()
            .filter(|(_, is_folder)| *is_folder);
        let hashes = folders
            .map(|(id, _)| (id.to_owned(), ContentHash::of(files.within(id))))
            .collect();
        Ok(Self {
            folder: folder.to_owned(),
            files,
            manifest,
            hashes,
        })
    }

    /// What the patches' files hold that are not as they are known, in bytes.
    pub fn changed_bytes(&self, known: &KnownPatches) -> usize {
        let changed = self
            .hashes
            .iter()
            .filter(|(id, hash)| !self.knows(known, id, hash));
        let files = changed.flat_map(|(id, _)| self.files.within(id));
        files.map(|(_, bytes)| bytes.len()).sum()
    }

    /// Understands the patches that are not as they are known.
    pub fn load(
        &self,
        variables: &Variables,
        classes: &Classes,
        known: &KnownPatches,
    ) -> LoadedPack {
        let reader = PackReader {
            shown: self.folder.display().to_string(),
            files: &self.files,
            variables,
            classes,
        };
        let mut pack = LoadedPack {
            folder: self.folder.clone(),
            manifest: self.manifest.clone(),
            patches: Vec::new(),
            unchanged: Vec::new(),
            refused: Vec::new(),
        };
        let mut owners: HashMap<SignatureId, String> = HashMap::new();
        for (id, hash) in &self.hashes {
            if self.knows(known, id, hash)
                && let Some((_, signatures)) = known.get(id)
                && signatures.iter().all(|s| !owners.contains_key(s))
            {
                owners.extend(signatures.iter().map(|s| (*s, id.clone())));
                pack.unchanged.push(id.clone());
                continue;
            }
            let read = reader
                .patch(id, *hash, self.manifest.sids)
                .and_then(|patch| reader.claim(&patch, &mut owners).map(|()| patch));
            match read {
                Ok(patch) => pack.patches.push(patch),
                Err(diagnostics) => pack.refused.push(Refusal {
                    patch: id.clone(),
                    reason: match diagnostics.len() {
                        1 => "an error in its files".to_owned(),
                        n => format!("{n} errors in its files"),
                    },
                    diagnostics,
                }),
            }
        }
        pack
    }

    /// Whether nothing about a patch needs to be looked at again.
    fn knows(&self, known: &KnownPatches, id: &str, hash: &ContentHash) -> bool {
        let sids = self.manifest.sids;
        known.get(id).is_some_and(|(before, signatures)| {
            before == hash && signatures.iter().all(|s| sids.contains(s.sid))
        })
    }
}

struct PackReader<'a> {
    /// The pack's folder, in errors.
    shown: String,
    files: &'a Files,
    variables: &'a Variables,
    classes: &'a Classes,
}

impl PackReader<'_> {
    /// Takes the patch's signature numbers, unless another patch has one of them.
    fn claim(
        &self,
        patch: &Patch,
        owners: &mut HashMap<SignatureId, String>,
    ) -> Result<(), Diagnostics> {
        let mut errors = Vec::new();
        for signature in &patch.signatures {
            if let Some(owner) = owners.get(&signature.id) {
                let message = format!("sid {} belongs to patch {owner}", signature.id.sid);
                errors.push(self.rule_error(patch.id(), signature, message));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let ids = patch.signatures.iter().map(|signature| signature.id);
        owners.extend(ids.map(|id| (id, patch.id().to_owned())));
        Ok(())
    }

    fn patch(&self, id: &str, hash: ContentHash, sids: SidRange) -> Result<Patch, Diagnostics> {
        let mut errors = self.strangers(id);
        let mut collect = |more: Diagnostics| errors.extend(more);
        let description = self.description(id).map_err(&mut collect).ok();
        let rules = self.signatures(id, sids).map_err(&mut collect).ok();
        let attacks = self.scenarios(id, ATTACK).map_err(&mut collect).ok();
        let benign = self.scenarios(id, BENIGN).map_err(&mut collect).ok();
        match (description, rules, attacks, benign) {
            (Some(description), Some((signatures, warnings)), Some(attacks), Some(benign))
                if errors.is_empty() =>
            {
                Ok(Patch {
                    description,
                    signatures,
                    warnings,
                    attacks,
                    benign,
                    hash,
                })
            }
            _ => Err(errors),
        }
    }

    /// Entries that nothing reads: a misspelt folder's scenarios would never be played.
    fn strangers(&self, id: &str) -> Diagnostics {
        const KNOWN: [&str; 5] = [DESCRIPTION, RULES, ATTACK, BENIGN, DATA];
        let mut errors: Diagnostics = Vec::new();
        let mut last = None;
        for (path, _) in self.files.within(id) {
            let entry = path.split('/').next().unwrap_or(path);
            if last == Some(entry) || KNOWN.contains(&entry) || entry.ends_with(".md") {
                continue;
            }
            last = Some(entry);
            let help = nearest(entry, KNOWN).map(|meant| format!("did you mean `{meant}`?"));
            let shown = self.shown_as(id, entry);
            errors.push(whole_file(&shown, "does not belong in a patch").with_help(help));
        }
        errors
    }

    fn description(&self, id: &str) -> Result<Description, Diagnostics> {
        let shown = self.shown_as(id, DESCRIPTION);
        let path = format!("{id}/{DESCRIPTION}");
        let source = self.files.text(&path, &shown).map_err(|e| vec![e])?;
        Description::parse(&shown, source, id)
    }

    fn signatures(
        &self,
        id: &str,
        sids: SidRange,
    ) -> Result<(Vec<Arc<Signature>>, Diagnostics), Diagnostics> {
        let shown = self.shown_as(id, RULES);
        let path = format!("{id}/{RULES}");
        let source = self.files.text(&path, &shown).map_err(|e| vec![e])?;
        let folder = Folder {
            files: self.files,
            path: id.to_owned(),
        };
        let mut surroundings = Surroundings::new(self.variables, self.classes);
        surroundings.files = &folder;
        let parsed = parse_bytes_in(&shown, source.as_bytes().to_vec(), &surroundings);
        let mut errors = parsed.failures;
        for signature in &parsed.signatures {
            let sid = signature.id.sid;
            if !sids.contains(sid) {
                let message = format!("sid {sid} lies outside the pack's range, {sids}");
                errors.push(self.rule_error(id, signature, message));
            }
            if signature.firewall.is_some() {
                let message = "a patch refuses what attacks; it is no firewall".to_owned();
                errors.push(self.rule_error(id, signature, message));
            }
            if signature.action == Action::Pass {
                let message = "a patch does not let traffic pass uninspected".to_owned();
                errors.push(self.rule_error(id, signature, message));
            }
        }
        let blocks = |signature: &Arc<Signature>| signature.action.blocks();
        if errors.is_empty() && !parsed.signatures.iter().any(blocks) {
            errors.push(whole_file(&shown, "no signature drops or rejects"));
        }
        if errors.is_empty() {
            Ok((parsed.signatures, parsed.warnings))
        } else {
            Err(errors)
        }
    }

    fn rule_error(&self, id: &str, signature: &Signature, message: String) -> Diagnostic {
        let shown = self.shown_as(id, RULES);
        let source = self.files.text(&format!("{id}/{RULES}"), &shown);
        let source = source.unwrap_or_default();
        let lines = source.split_inclusive('\n');
        let above = lines.take((signature.source.line as usize).saturating_sub(1));
        let start: usize = above.map(str::len).sum();
        error_at(&shown, source, start..start, message)
    }

    /// Every `*.toml` of the folder, by name; other files may serve as their contents.
    fn scenarios(&self, id: &str, kind: &str) -> Result<Vec<Scenario>, Diagnostics> {
        let path = format!("{id}/{kind}");
        let folder = Folder {
            files: self.files,
            path: path.clone(),
        };
        let (mut scenarios, mut errors) = (Vec::new(), Vec::new());
        for (name, _) in self.files.within(&path) {
            if !name.ends_with(".toml") {
                continue;
            }
            let shown = self.shown_as(id, &format!("{kind}/{name}"));
            let read = self.files.text(&format!("{path}/{name}"), &shown);
            let read = read.map_err(|error| vec![error]);
            match read.and_then(|source| Scenario::parse(&shown, source, &folder)) {
                Ok(scenario) => scenarios.push(scenario),
                Err(more) => errors.extend(more),
            }
        }
        if errors.is_empty() && scenarios.is_empty() {
            let shown = self.shown_as(id, kind);
            errors.push(whole_file(&shown, "a patch has at least one scenario here"));
        }
        if errors.is_empty() {
            Ok(scenarios)
        } else {
            Err(errors)
        }
    }

    fn shown_as(&self, id: &str, path: &str) -> String {
        format!("{}/{id}/{path}", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Mode;

    const SCENARIO: &str = "title = \"t\"\nserver_port = 80\n[[message]]\nfrom = \"client\"\ntext = \"GET / HTTP/1.1\\r\\n\\r\\n\"\n";

    fn description(id: &str) -> String {
        format!(
            "id = \"{id}\"\ntitle = \"t\"\ncve = [\"CVE-2020-0001\"]\npublished = 2020-01-01\n\
             owner = \"o\"\nmode = \"prevent\"\nresponse = \"drop\"\ncoverage = \"c\"\naffects = []\n"
        )
    }

    fn rule(action: &str, sid: u32) -> String {
        format!("{action} tcp any any -> any any (msg:\"m\"; content:\"abc\"; sid:{sid}; rev:1;)\n")
    }

    fn sample() -> Files {
        let mut files = Files::default();
        let manifest = "name = \"core\"\nversion = \"1.0.0\"\nserial = 1\ndescription = \"d\"\n\
                        sids = [100, 199]\nminimum_engine = \"0.1.0\"\n";
        files.set("pack.toml", manifest);
        for (id, sid) in [("one", 100), ("two", 101)] {
            files.set(&format!("{id}/patch.toml"), &description(id));
            let rules = format!("# why\n\n{}", rule("drop", sid));
            files.set(&format!("{id}/patch.rules"), &rules);
            files.set(&format!("{id}/attack/a.toml"), SCENARIO);
            files.set(&format!("{id}/benign/b.toml"), SCENARIO);
        }
        files
    }

    fn read_knowing(files: &Files, known: &KnownPatches) -> LoadedPack {
        let files = PackFiles::of(Path::new("core"), files.clone()).unwrap();
        files.load(&Variables::default(), &Classes::default(), known)
    }

    fn read(files: &Files) -> (Vec<Patch>, Vec<Refusal>) {
        let pack = read_knowing(files, &KnownPatches::new());
        (pack.patches, pack.refused)
    }

    /// The only error of the only refusal, which is patch `two`.
    fn refusal(files: &Files) -> String {
        let (patches, refused) = read(files);
        assert_eq!(patches.len(), 1, "the other patch stands: {refused:?}");
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].patch, "two");
        assert_eq!(refused[0].diagnostics.len(), 1, "{refused:?}");
        refused[0].diagnostics[0].to_string()
    }

    #[test]
    fn a_good_pack_is_read_whole() {
        let (patches, refused) = read(&sample());
        assert!(refused.is_empty(), "{refused:?}");
        let ids: Vec<&str> = patches.iter().map(Patch::id).collect();
        assert_eq!(ids, ["one", "two"]);
        assert_eq!(patches[0].description.mode, Mode::Prevent);
        assert!(patches[0].owns(SignatureId { gid: 1, sid: 100 }));
        assert!(!patches[0].owns(SignatureId { gid: 1, sid: 101 }));
        assert_eq!(patches[0].contents()[0].bytes, b"abc");
    }

    #[test]
    fn a_hash_changes_with_its_own_patch_only() {
        let mut files = sample();
        let before = read(&files).0;
        files.set("two/attack/extra.bin", "x");
        let after = read(&files).0;
        assert_eq!(before[0].hash, after[0].hash);
        assert_ne!(before[1].hash, after[1].hash);
    }

    #[test]
    fn what_is_known_is_not_read_again() {
        let mut files = sample();
        let known = |files: &Files| -> KnownPatches {
            let patches = read(files).0;
            let ids = |p: &Patch| p.signatures.iter().map(|s| s.id).collect();
            let all = patches
                .iter()
                .map(|p| (p.id().to_owned(), (p.hash, ids(p))));
            all.collect()
        };
        let changed = |files: &Files, known: &KnownPatches| {
            let files = PackFiles::of(Path::new("core"), files.clone()).unwrap();
            files.changed_bytes(known)
        };
        let before = known(&files);
        let pack = read_knowing(&files, &before);
        assert_eq!((pack.unchanged.len(), pack.patches.len()), (2, 0));
        assert_eq!(changed(&files, &before), 0);
        // One changes, one comes.
        files.set("two/benign/c.toml", SCENARIO);
        files.set("three/patch.toml", &description("three"));
        let pack = read_knowing(&files, &before);
        assert_eq!(pack.unchanged, ["one"]);
        assert_eq!((pack.patches.len(), pack.refused.len()), (1, 1));
        assert!(changed(&files, &before) > 2 * SCENARIO.len());
        assert_eq!(changed(&files, &KnownPatches::new()), {
            let of = |id| files.within(id).map(|(_, b)| b.len()).sum::<usize>();
            of("one") + of("two") + of("three")
        });
    }

    #[test]
    fn what_is_known_still_has_to_fit_the_pack() {
        let mut files = sample();
        let known: KnownPatches = [(
            "two".to_owned(),
            (
                read(&files).0[1].hash,
                vec![SignatureId { gid: 1, sid: 101 }],
            ),
        )]
        .into();
        // Another patch takes its number.
        files.set("one/patch.rules", &rule("drop", 101));
        let pack = read_knowing(&files, &known);
        assert!(pack.unchanged.is_empty() && pack.refused[0].patch == "two");
        // The pack's range no longer holds it.
        let mut files = sample();
        let manifest = files.text("pack.toml", "").unwrap().replace("199", "100");
        files.set("pack.toml", &manifest);
        let pack = read_knowing(&files, &known);
        assert!(pack.unchanged.is_empty() && pack.refused[0].patch == "two");
    }

    #[test]
    fn a_bad_patch_is_refused_and_the_other_stands() {
        let three_lines = |rule: &str| format!("# why\n\n{rule}");
        for (path, text, error) in [
            (
                "two/patch.toml",
                description("three"),
                "core/two/patch.toml:1:6",
            ),
            (
                "two/patch.rules",
                three_lines(&rule("drop", 99)),
                "core/two/patch.rules:3:1",
            ),
            (
                "two/patch.rules",
                three_lines(&rule("drop", 100)),
                "belongs to patch one",
            ),
            ("two/patch.rules", rule("alert", 101), "no signature drops"),
            ("two/patch.rules", String::new(), "no signature drops"),
            (
                "two/patch.rules",
                rule("drop", 101).replace("content", "contnet"),
                "content`",
            ),
            (
                "two/atack/a.toml",
                SCENARIO.to_owned(),
                "did you mean `attack`?",
            ),
            (
                "two/attack/a.toml",
                SCENARIO.replace("client", "clinet"),
                "a.toml:4:8",
            ),
            (
                "two/attack/a.toml",
                SCENARIO.replace("text", "file"),
                "in the folder",
            ),
        ] {
            let mut files = sample();
            files.set(path, &text);
            let told = refusal(&files);
            assert!(told.contains(error), "{path}: {told}");
        }
        let passes = format!("{}{}", rule("drop", 101), rule("pass", 102));
        let mut files = sample();
        files.set("two/patch.rules", &passes);
        assert!(refusal(&files).contains("pass uninspected"));
    }

    #[test]
    fn a_patch_without_its_files_is_refused() {
        for path in [
            "two/patch.toml",
            "two/patch.rules",
            "two/attack/a.toml",
            "two/benign/b.toml",
        ] {
            let mut files = sample();
            files.remove(path);
            refusal(&files);
        }
    }

    #[test]
    fn rules_load_files_of_their_patch_alone() {
        let rule = |load: &str| {
            format!(
                "drop http any any -> any any (msg:\"m\"; http.uri; \
                 dataset:isset,paths,type string,{load}; sid:100;)\n"
            )
        };
        let mut files = sample();
        files.set("one/patch.rules", &rule("load data/paths.lst"));
        files.set("one/data/paths.lst", "L2FkbWlu\n");
        files.set("two/data/paths.lst", "L2FkbWlu\n");
        assert!(read(&files).1.is_empty());
        for outside in [
            "load ../two/data/paths.lst",
            "load data/none",
            "state paths",
        ] {
            files.set("one/patch.rules", &rule(outside));
            let refused = read(&files).1;
            assert_eq!(refused.len(), 1, "{outside}");
        }
    }

    #[test]
    fn prose_beside_the_patch_is_welcome() {
        let mut files = sample();
        files.set("two/README.md", "why");
        files.set("README.md", "what");
        assert_eq!(read(&files).0.len(), 2);
    }

    #[test]
    fn packs_are_found_by_their_manifest() {
        let root = tempfile::tempdir().unwrap();
        assert!(find_packs(root.path()).is_err());
        for name in ["b", "a", "none"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        for name in ["b", "a"] {
            std::fs::write(root.path().join(name).join(MANIFEST), "").unwrap();
        }
        let found = find_packs(root.path()).unwrap();
        assert_eq!(found, [root.path().join("a"), root.path().join("b")]);
        assert_eq!(find_packs(&found[0]).unwrap(), [found[0].clone()]);
        assert!(find_packs(&root.path().join("absent")).is_err());
    }
}
