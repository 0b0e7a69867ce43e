use super::*;

#[test]
fn a_failing_step_is_named_and_not_counted() {
    let mut chores = Chores::new(PathBuf::from("."));
    assert_eq!(chores.step("first", || Ok(7)).unwrap(), 7);
    let failure = chores.step("second", || Err::<(), _>("it broke".to_owned())).unwrap_err();
    let text = failure.to_string();
    assert!(text.contains("step 'second' FAILED") && text.ends_with("it broke"), "{text}");
    assert_eq!(chores.steps, 1);
}

#[test]
fn a_command_that_fails_or_is_missing_is_an_error() {
    let missing = run(Command::new("/nonexistent/program"), "program").unwrap_err();
    assert!(missing.contains("could not be started"), "{missing}");
    let mut unknown = Command::new(cargo());
    unknown.arg("--no-such-flag").stderr(Stdio::null());
    let failed = run(unknown, "cargo --no-such-flag").unwrap_err();
    assert!(failed.contains("ended with"), "{failed}");
}
