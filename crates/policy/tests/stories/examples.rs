//! The examples do what they say: each has its cases beside it.

use std::fs;
use std::path::Path;

use portcullis_policy::PolicySet;
use portcullis_policy::trial::Trial;

#[test]
fn each_example_passes_the_cases_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/examples");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "cedar") {
            continue;
        }
        let policies = PolicySet::parse(&fs::read_to_string(&path).unwrap()).unwrap();
        let trial = Trial::parse(&fs::read_to_string(path.with_extension("toml")).unwrap()).unwrap();
        let outcomes = trial.run(&policies);
        for outcome in &outcomes {
            assert!(outcome.passed(), "{}: {}: {:?}", path.display(), outcome.name, outcome.wrong);
        }
        assert!(outcomes.len() >= 4, "{} has too few cases", path.display());
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[test]
fn a_case_that_goes_otherwise_is_told_in_words() {
    let text = "[[case]]\nname = \"x\"\ntool = { name = \"list\" }\nexpect = \"deny\"\nrule = \"r\"\nlisted = false\n";
    let outcomes = Trial::parse(text).unwrap().run(&PolicySet::parse(portcullis_policy::DEFAULT).unwrap());
    assert_eq!(
        outcomes[0].wrong,
        [
            "expected deny, got allow by `owners`",
            "expected the rule `r`, got `owners`",
            "expected listed = false, got true"
        ]
    );
}

#[test]
fn a_file_that_is_not_right_says_where() {
    let wrong = |text: &str| Trial::parse(text).unwrap_err();
    assert!(wrong("").contains("no [[case]]"));
    assert!(wrong("[[case]]\nname = \"x\"\nexpects = \"deny\"").contains("expects"));
    let case = |more: &str| wrong(&format!("[[case]]\nname = \"x\"\nexpect = \"allow\"\n{more}"));
    assert!(case("").contains("exactly one of"));
    assert!(case("list = true\nmanage = true").contains("exactly one of"));
    assert!(case("tool = { name = \"x\", risk = \"low\" }").contains("read, unknown, change, destructive"));
    assert!(case("list = true\ntime = 2026-11-30").contains("offset"));
    assert!(case("list = true\nassurance = 4").contains("0, 1, 2 and 3"));
}
