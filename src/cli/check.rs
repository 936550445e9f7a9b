//! `stopgap check`: parses, lints and compiles, and says what is wrong where.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::style::{self, ERROR, GOOD};
use super::{Failure, Outcome, Result, RuleArgs};
use crate::detect::{CompileOptions, Layer, RuleInput};
use crate::pack::{self, Manifest, Patch, find_packs};
use crate::reload::{FilesBeside, Looked, RulesFile, Sources, duplicates, patch_info};
use crate::signature::ast::{Signature, SignatureId};
use crate::signature::{Diagnostic, Readings, Severity, Surroundings, docs, parse_bytes_in};

/// Check packs and rules without running them.
///
/// Reads, lints and compiles; scenarios are not played (`stopgap test` does). The last line is
/// `N signatures loaded, M failed`. Exits 1 where a signature or a patch is not loaded.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    rules: RuleArgs,
    /// Show remarks on signatures that are loaded all the same.
    #[arg(long)]
    warnings: bool,
    /// One JSON object: what is loaded, what is not, and why.
    #[arg(long)]
    json: bool,
    /// Print the reference of all keywords as Markdown, and do nothing else.
    #[arg(long)]
    keywords: bool,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Findings {
    loaded: Vec<Id>,
    failed: usize,
    diagnostics: Vec<Diagnostic>,
    patches: Vec<PatchFinding>,
    #[serde(skip)]
    pack_errors: usize,
    #[serde(skip)]
    layers: Vec<Layer>,
}

#[derive(Debug, Serialize)]
struct Id {
    gid: u32,
    sid: u32,
}

#[derive(Debug, Serialize)]
struct PatchFinding {
    id: String,
    signatures: usize,
    /// Why it is not loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

pub fn run(args: Args) -> Result {
    if args.keywords {
        print!("{}", docs::keywords_markdown());
        return Ok(Outcome::Holds);
    }
    let config = args.rules.configuration_of_what_is_named()?;
    let sources = args.rules.sources(&config)?;
    let mut findings = Findings::default();
    for folder in &sources.packs {
        for pack in find_packs(folder).map_err(|d| super::failure_of(&d))? {
            findings.pack(&pack, &sources);
        }
    }
    let (read, looked) = sources.cache.with(|kept| {
        let mut files = sources.rules.iter();
        files.try_for_each(|file| findings.rules(file, &sources, kept.readings()))
    });
    read?;
    if looked == Looked::Refused {
        style::tell_cache_refused();
    }
    if !args.warnings {
        findings
            .diagnostics
            .retain(|d| d.severity == Severity::Error);
    }
    findings.diagnostics.extend(duplicates(&findings.layers));
    findings.print(args.json)?;
    Ok(if findings.hold() {
        Outcome::Holds
    } else {
        Outcome::DoesNotHold
    })
}

impl Findings {
    fn hold(&self) -> bool {
        self.failed == 0
            && self.pack_errors == 0
            && self.patches.iter().all(|p| p.refused.is_none())
    }

    fn pack(&mut self, folder: &Path, sources: &Sources) {
        let limits = pack::Limits::default();
        let loaded = pack::load(folder, &limits, &sources.variables, &sources.classes);
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(diagnostics) => {
                self.pack_errors += 1;
                self.diagnostics.extend(diagnostics);
                return;
            }
        };
        for patch in &loaded.patches {
            self.patch(patch, &loaded.manifest, &sources.options);
        }
        for refusal in loaded.refused {
            let in_rules = |d: &&Diagnostic| d.file.ends_with(".rules");
            self.failed += refusal.diagnostics.iter().filter(in_rules).count();
            self.patches.push(PatchFinding {
                id: refusal.patch,
                signatures: 0,
                refused: Some(refusal.reason),
            });
            self.diagnostics.extend(refusal.diagnostics);
        }
    }

    fn patch(&mut self, patch: &Patch, manifest: &Manifest, options: &CompileOptions) {
        let info = Arc::new(patch_info(patch, manifest));
        let inputs = patch.signatures.iter().map(|signature| RuleInput {
            signature: Arc::clone(signature),
            patch: Some(info.clone()),
        });
        self.compiled(Layer::compile(inputs.collect(), options));
        self.diagnostics.extend(patch.warnings.iter().cloned());
        self.patches.push(PatchFinding {
            id: patch.id().to_owned(),
            signatures: patch.signatures.len(),
            refused: None,
        });
    }

    fn rules(
        &mut self,
        file: &RulesFile,
        sources: &Sources,
        readings: Option<&Readings>,
    ) -> std::result::Result<(), Failure> {
        let name = file.path.display().to_string();
        let text = std::fs::read(&file.path).map_err(|e| Failure(format!("{name}: {e}")))?;
        let files = FilesBeside::new(&file.path, &sources.keeping);
        let reputation = sources.keeping.reputation().map_err(Failure)?;
        let mut surroundings = Surroundings::new(&sources.variables, &sources.classes);
        surroundings.files = &files;
        surroundings.categories = reputation.categories();
        surroundings.set_limits = sources.keeping.set_limits;
        surroundings.readings = readings;
        let parsed = parse_bytes_in(&name, text, &surroundings);
        let taken = |signature: Arc<Signature>| {
            Some(RuleInput {
                signature: file.take(signature)?,
                patch: None,
            })
        };
        let inputs = parsed.signatures.into_iter().filter_map(taken).collect();
        self.compiled(Layer::compile(inputs, &sources.options));
        self.failed += parsed.failures.len();
        self.diagnostics.extend(parsed.failures);
        self.diagnostics.extend(parsed.warnings);
        Ok(())
    }

    fn compiled(&mut self, layer: Layer) {
        self.loaded.extend(layer.signatures().iter().map(|s| {
            let SignatureId { gid, sid } = s.id();
            Id { gid, sid }
        }));
        self.layers.push(layer);
    }

    fn print(&self, json: bool) -> std::result::Result<(), Failure> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let colour = std::io::stderr().is_terminal();
        for diagnostic in &self.diagnostics {
            anstream::eprintln!("{}\n", diagnostic.render(colour));
        }
        for patch in &self.patches {
            if let Some(why) = &patch.refused {
                anstream::eprintln!("{ERROR}patch {} is not loaded:{ERROR:#} {why}", patch.id);
            }
        }
        let style = if self.hold() { GOOD } else { ERROR };
        anstream::println!(
            "{style}{} signatures loaded, {} failed{style:#}",
            self.loaded.len(),
            self.failed
        );
        Ok(())
    }
}
