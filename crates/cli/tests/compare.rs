//! `fokker compare`, and the modes of targets.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fs;

use common::{TINY, fail, files, succeed};
use serde_json::Value;

const TABLE: &str = "\
# a comment
target, recipe, w_r, ode_truth, sde_truth, ode_sde, floor
mixture, good, 0, 1e-4, 2e-4, 1e-4, 0.001
mixture, bad, , 100, 100, 100,
checkerboard, other, 10, 0.02, 0.01, 0.005, 0.0004
";

#[test]
fn runs_and_tables_are_put_beside_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("tiny.ron"), TINY).unwrap();
    fs::write(path.join("table.csv"), TABLE).unwrap();
    succeed(path, &["run", "tiny.ron", "--out", "mine-7"]);
    let arguments = ["compare", "table.csv", "mine-7", "--figure", "figures"];
    let text = succeed(path, &arguments);
    for expected in ["good", "bad", "mine", "checkerboard", "0.02000", "w_R", "front"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let figures =
        ["checkerboard-gap.png", "checkerboard-ode.png", "mixture-gap.png", "mixture-ode.png"];
    assert_eq!(files(&path.join("figures")), figures);
    let json: Value =
        serde_json::from_str(&succeed(path, &["compare", "table.csv", "mine-7", "--json"]))
            .unwrap();
    let rows = json.as_array().unwrap();
    // Target by target, in the order in which they come; only `good` is beaten by none.
    let found: Vec<(&str, &str, bool)> = rows
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap();
            (text("target"), text("recipe"), row["front"].as_bool().unwrap())
        })
        .collect();
    let expected = [
        ("mixture", "good", true),
        ("mixture", "bad", false),
        ("mixture", "mine", false),
        ("mixture", "mine", false),
        ("checkerboard", "other", true),
    ];
    assert_eq!(found, expected);
    assert_eq!((&rows[1]["w_r"], &rows[1]["floor"]), (&Value::Null, &Value::Null));
    let summary: Value =
        serde_json::from_slice(&fs::read(path.join("mine-7/summary.json")).unwrap()).unwrap();
    let cell = &summary["cells"][1];
    assert_eq!(rows[3]["ode_sde"], cell["w2sq_ode_sde"]);
    assert_eq!((&rows[3]["w_r"], &rows[3]["seed"]), (&0.5.into(), &7.into()));
    assert_eq!(rows[0]["seed"], Value::Null);
    // What is written down is read again, to the last digit.
    let how = |rows: &Value| -> Vec<Value> {
        let mut rows = rows.as_array().unwrap().clone();
        rows.iter_mut().for_each(|row| drop(row.as_object_mut().unwrap().remove("how")));
        rows
    };
    succeed(path, &["compare", "table.csv", "mine-7", "--table", "all.csv"]);
    let again = succeed(path, &["compare", "all.csv", "--json"]);
    assert_eq!(how(&serde_json::from_str(&again).unwrap()), how(&json));
    let message = fail(path, 2, &["compare", "all.csv", "--table", "missing/all.csv"]);
    assert!(message.contains("missing/all.csv"), "{message}");
    let report = succeed(path, &["report", "mine-7"]);
    assert!(report.contains("Shares of the modes") && report.contains("w_R = 0.5"), "{report}");
    // What other files would be called the same has other names.
    fs::write(
        path.join("alike.csv"),
        TABLE.replace("checkerboard", "a b").replace("mixture", "a/b"),
    )
    .unwrap();
    succeed(path, &["compare", "alike.csv", "--figure", "alike"]);
    assert_eq!(
        files(&path.join("alike")),
        ["a_b-2-gap.png", "a_b-2-ode.png", "a_b-gap.png", "a_b-ode.png"]
    );
    // Nine components, each with its share of the points of each side.
    for side in ["ode", "sde", "truth"] {
        let shares = cell["modes"][side]["shares"].as_array().unwrap();
        let total: f64 = shares.iter().map(|share| share.as_f64().unwrap()).sum();
        assert_eq!(shares.len(), 9);
        assert!((total - 1.0).abs() < 1e-12, "{side}: {total}");
    }
}

#[test]
fn tables_that_say_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let refuse = |name: &str, text: &str, expected: &str| {
        fs::write(path.join(name), text).unwrap();
        let message = fail(path, 2, &["compare", name]);
        assert!(message.contains(name) && message.contains(expected), "{message}");
    };
    let heads = "target,recipe,w_r,ode_truth,sde_truth,ode_sde,floor\n";
    refuse("none.csv", heads, "has no rows");
    refuse("word.csv", &format!("{heads}a,b,0,x,1,1,1\n"), "line 2: column `ode_truth`");
    refuse("short.csv", "target,recipe\na,b\n", "ode_truth");
    refuse(
        "negative.csv",
        &format!("{heads}a,b,0,1,1,1,1\na,b,0,1,-1,1,1\n"),
        "line 3: column `sde_truth`",
    );
    refuse("weight.csv", &format!("{heads}a,b,NaN,1,1,1,1\n"), "column `w_r`");
    refuse("nameless.csv", &format!("{heads},b,0,1,1,1,1\n"), "column `target`");
    fs::write(path.join("table.csv"), TABLE).unwrap();
    let message = fail(path, 2, &["compare", "table.csv", "./table.csv"]);
    assert!(message.contains("given twice"), "{message}");
    let message = fail(path, 2, &["compare", "missing.csv"]);
    assert!(message.contains("missing.csv"), "{message}");
}
