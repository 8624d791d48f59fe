//! `overdraft staff` refuses what it can refuse before it reaches for the database.

use std::io::Write;
use std::process::{Command, Stdio};

/// Runs `overdraft staff` with these arguments and this on standard input; exit code and both outputs.
fn staff(arguments: &[&str], typed: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_overdraft"))
        .arg("staff")
        .args(arguments)
        .args(["--database-url", "postgres://nobody:hidden@127.0.0.1:1/none"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its arguments does not wait for the password.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    let ended = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

#[test]
fn what_will_not_do_is_refused_in_words_and_no_secret_is_told() {
    let long = "correct horse battery\n";
    for (arguments, typed, code, words) in [
        (vec!["--email", "a@example.test", "--role", "boss"], long, 2, "possible values: admin, support"),
        (vec!["--email", "a@example.test", "--role", "admin"], "\n", 2, "no password on standard input"),
        (vec!["--email", "a@example.test", "--role", "admin"], "short\n", 2, "at least 12 characters"),
        (vec!["--email", "nobody", "--role", "support", "--no-password"], "", 2, "the email is not an address"),
        (vec!["--email", "a@example.test", "--role", "admin"], long, 4, "database"),
    ]
    .map(|(arguments, typed, code, words)| ([vec!["add"], arguments].concat(), typed, code, words))
    .into_iter()
    .chain([
        (vec!["disable"], "", 2, "<EMAIL>"),
        (vec!["disable", "a@example.test"], "", 4, "database"),
        (vec!["enable", "a@example.test"], "", 4, "database"),
    ]) {
        let (ended, stdout, stderr) = staff(&arguments, typed);
        assert_eq!(ended, Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
        assert_eq!(stdout, "", "no key without a member");
        assert!(!stderr.contains("hidden") && !stderr.contains("correct horse"), "{stderr}");
    }
}
