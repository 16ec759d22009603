//! `docs/conformance.md` tells which story proves which requirement. It is made from the stories themselves, and this
//! test fails when it is stale: `UPDATE_CONFORMANCE=1 cargo test -p portcullis-tests --test conformance_table` rewrites it.

#![expect(clippy::unwrap_used, reason = "a surprise ends the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What a requirement's identifier begins with: the document that it stems from, or one of our own lists.
const DOCUMENTS: [&str; 41] = [
    "OA21-",
    "R9700-",
    "R6750-",
    "R8414-",
    "OIDC-",
    "R9728-",
    "R8707-",
    "R9207-",
    "R7591-",
    "R7592-",
    "CIMD-",
    "R7009-",
    "R7662-",
    "R9068-",
    "KEYS-",
    "R8628-",
    "R9126-",
    "R9449-",
    "R7523-",
    "R7523b-",
    "R8693-",
    "IDJAG-",
    "EMA-",
    "MCP-AUTH-",
    "HTTP25-",
    "HTTP26-",
    "TOOL-",
    "MRTR-",
    "ELIC-",
    "SBP-",
    "ASVS-",
    "NIST-",
    "DC-",
    "A0",
    "A1",
    "A2",
    "A3",
    "A4",
    "A5",
    "A6",
    "T",
];

/// Every requirement that we know of, one a line, with a star where it is most often got wrong; those that no story proves
/// yet, each line with its reason; and those whose story failed when the rule was broken on purpose.
const KNOWN: &str = include_str!("requirements.txt");
const NOT_PROVEN: &str = include_str!("not_proven.txt");
const SEEN_RED: &str = include_str!("seen_red.txt");

/// The official suite's scenarios that pass at an upstream server and not through the gateway, by reason and revision;
/// `tests/conformance/upstream.test.mjs` holds the suite's verdicts to it.
const NOT_THROUGH: &str = include_str!("conformance/not-through-gateway.json");

/// How a line of `seen_red.txt` is written; a test that fails says it again.
const SEEN_RED_FORM: &str = "`ID ID: what was broken -> story, story`";

const TAIL: &str = "\n# Not proven, and why\n\n| requirements | why |\n|---|---|\n";

const SCENARIOS: &str = "\n# The official conformance suite, through the gateway\n\n\
    `tests/conformance` runs every server scenario of both revisions against one upstream server, by itself and through the gateway\n\
    at `/mcp/{alias}`. What passes there and not here is this, and nothing else:\n\n\
    | scenarios | at | why not |\n|---|---|---|\n";

const HEAD: &str = "# Which story proves which requirement\n\n\
    Made from the doc comments of the tests; a test fails when this page is stale. `OA21` is OAuth 2.1, `Rnnnn` an RFC, `MCP-AUTH`,\n\
    `HTTP25`, `HTTP26` and `TOOL` the Model Context Protocol, `ASVS` OWASP's, `NIST` 800-63B, `DC` decisions where specifications and\n\
    clients disagree, `A` and `T` known attacks. A star marks what is most often got wrong.\n\n\
    A name in a comment proves nothing, so the third column tells how the rule was broken once, and which story failed.\n\n\
    | requirement | stories | seen to fail |\n|---|---|---|\n";

type Table = BTreeMap<String, BTreeSet<Story>>;

/// A test, and the file that tells it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Story {
    name: String,
    place: String,
}

#[test]
fn the_table_of_requirements_is_fresh() {
    let table = table();
    let (red, starred) = (seen_red(), starred());
    let rows = table.iter().map(|(identifier, stories)| {
        let star = if starred.contains(identifier.as_str()) { " ★" } else { "" };
        let stories: Vec<String> =
            stories.iter().map(|story| format!("`{}` ({})", story.name, story.place)).collect();
        let broken: Vec<String> = red
            .iter()
            .filter(|seen| seen.identifiers.contains(&identifier.as_str()))
            .map(|seen| format!("{}: `{}`", seen.broken, seen.stories.join("`, `")))
            .collect();
        format!("| {identifier}{star} | {} | {} |\n", stories.join("<br>"), broken.join("<br>"))
    });
    let excused = excused();
    let reasons =
        excused.iter().map(|(identifiers, reason)| format!("| {} | {reason} |\n", identifiers.join(" ")));
    let fresh =
        HEAD.to_owned() + &rows.collect::<String>() + TAIL + &reasons.collect::<String>() + &scenarios();
    let page = root().join("docs/conformance.md");
    if std::env::var_os("UPDATE_CONFORMANCE").is_some() {
        fs::write(&page, &fresh).unwrap();
    }
    let kept = fs::read_to_string(&page).unwrap_or_default();
    assert!(kept == fresh, "docs/conformance.md is stale: run this test once with UPDATE_CONFORMANCE=1");
    assert!(table.len() > 100, "the stories claim only {} requirements", table.len());
}

/// No requirement is forgotten: each has a story or a reason, and none has both.
#[test]
fn every_requirement_is_proven_or_excused() {
    let table = table();
    let proven: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    let excused = excused();
    let excused: BTreeSet<&str> = excused.iter().flat_map(|(identifiers, _)| identifiers.clone()).collect();
    let known: BTreeSet<&str> = known().map(|(identifier, _)| identifier).collect();
    let forgotten: Vec<&&str> =
        known.iter().filter(|known| !proven.contains(*known) && !excused.contains(*known)).collect();
    assert!(forgotten.is_empty(), "no story and no line in tests/not_proven.txt: {forgotten:?}");
    let both: Vec<&&str> = excused.intersection(&proven).collect();
    assert!(both.is_empty(), "proven by now, so take them out of tests/not_proven.txt: {both:?}");
    let unknown: Vec<&&str> = excused.difference(&known).collect();
    assert!(unknown.is_empty(), "excused, but no requirement: {unknown:?}");
}

/// Whatever is most often got wrong was broken on purpose once, and one of the stories that name it failed.
#[test]
fn every_starred_requirement_was_seen_to_fail() {
    let (table, red) = (table(), seen_red());
    let seen: BTreeSet<&str> = red.iter().flat_map(|seen| seen.identifiers.clone()).collect();
    let unseen: Vec<&str> = starred()
        .into_iter()
        .filter(|identifier| table.contains_key(*identifier) && !seen.contains(identifier))
        .collect();
    assert!(
        unseen.is_empty(),
        "break them once and write {SEEN_RED_FORM} into tests/seen_red.txt: {unseen:?}"
    );
    for seen in &red {
        for identifier in &seen.identifiers {
            let told = table.get(*identifier).is_some_and(|stories| {
                stories.iter().any(|story| seen.stories.contains(&story.name.as_str()))
            });
            assert!(told, "tests/seen_red.txt: none of {:?} names {identifier}", seen.stories);
        }
    }
}

/// What does not pass through the gateway, as it stands on the page.
fn scenarios() -> String {
    let reasons: Vec<BTreeMap<String, serde_json::Value>> = serde_json::from_str(NOT_THROUGH).unwrap();
    let rows = reasons.into_iter().map(|mut reason| {
        let why = reason.remove("why").unwrap();
        let (mut names, mut revisions) = (Vec::new(), Vec::new());
        for (revision, scenarios) in reason {
            let scenarios: Vec<String> = serde_json::from_value(scenarios).unwrap();
            if !scenarios.is_empty() {
                revisions.push(revision);
                names.extend(scenarios.iter().map(|name| format!("`{name}`")));
            }
        }
        format!("| {} | {} | {} |\n", names.join(", "), revisions.join(", "), why.as_str().unwrap())
    });
    SCENARIOS.to_owned() + &rows.collect::<String>()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Requirements with the stories that name them.
fn table() -> Table {
    let mut files = Vec::new();
    for folder in ["crates", "tests"] {
        collect(&root().join(folder), &mut files);
    }
    let mut table = Table::new();
    for file in files {
        let place = file.strip_prefix(root()).unwrap().display().to_string();
        for (identifier, name) in claims(&fs::read_to_string(&file).unwrap()) {
            table.entry(identifier).or_default().insert(Story { name, place: place.clone() });
        }
    }
    table
}

/// Every requirement, and whether it has a star.
fn known() -> impl Iterator<Item = (&'static str, bool)> {
    KNOWN.lines().map(|line| line.strip_suffix(" ★").map_or((line, false), |identifier| (identifier, true)))
}

fn starred() -> BTreeSet<&'static str> {
    known().filter(|(_, star)| *star).map(|(identifier, _)| identifier).collect()
}

/// What was broken on purpose, and the stories that failed then.
struct SeenRed {
    identifiers: Vec<&'static str>,
    broken: &'static str,
    stories: Vec<&'static str>,
}

impl SeenRed {
    fn read(line: &'static str) -> Option<Self> {
        let (identifiers, rest) = line.split_once(": ")?;
        let (broken, stories) = rest.rsplit_once(" -> ")?;
        Some(Self {
            identifiers: identifiers.split(' ').collect(),
            broken,
            stories: stories.split(", ").collect(),
        })
    }
}

fn seen_red() -> Vec<SeenRed> {
    let lines = SEEN_RED.lines().map(|line| {
        let seen = SeenRed::read(line);
        assert!(seen.is_some(), "tests/seen_red.txt: not {SEEN_RED_FORM}: {line}");
        seen.unwrap()
    });
    lines.collect()
}

/// Identifiers and the reason why no story proves them.
fn excused() -> Vec<(Vec<&'static str>, &'static str)> {
    let line = |line: &'static str| {
        let (identifiers, reason) = line.split_once(": ").unwrap();
        (identifiers.split(' ').collect(), reason)
    };
    NOT_PROVEN.lines().map(line).collect()
}

/// Rust files below a folder, sorted.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "node_modules" && name != "target" {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Each requirement that a test's doc comment names, with the test's name. What says `#[test]` is a test, and what takes a
/// fresh database; a helper or a rule in the code that names a requirement proves nothing.
fn claims(source: &str) -> Vec<(String, String)> {
    let mut claims = Vec::new();
    let mut named: Vec<String> = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            named.extend(identifiers(comment));
        } else if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        } else {
            let tells = is_test || line.contains(": TestDatabase)");
            if let Some(name) = function(line).filter(|_| tells) {
                claims.extend(named.drain(..).map(|identifier| (identifier, name.to_owned())));
            }
            named.clear();
            is_test = false;
        }
    }
    claims
}

fn function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

/// The identifiers in a comment; a range such as `HTTP26-2 to -8` counts as its first.
fn identifiers(comment: &str) -> Vec<String> {
    let words = comment.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'));
    words
        .map(|word| word.trim_end_matches(['.', '-']))
        .filter(|word| is_identifier(word))
        .map(str::to_owned)
        .collect()
}

fn is_identifier(word: &str) -> bool {
    let ends_in_number = word.bytes().last().is_some_and(|b| b.is_ascii_digit() || b == b'b');
    let short_list =
        |prefix: &str| prefix.len() <= 2 && word.len() == 3 && word[1..].bytes().all(|b| b.is_ascii_digit());
    DOCUMENTS.iter().any(|document| {
        word.starts_with(document) && ends_in_number && (document.ends_with('-') || short_list(document))
    })
}
