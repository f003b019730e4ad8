use super::*;

#[test]
fn a_directory_has_one_holder() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("data");
    let held = lock(&directory).unwrap();
    let err = lock(&directory).unwrap_err();
    assert_eq!(err.to_string(), format!("{} is in use by process {}", directory.display(), std::process::id()));
    drop(held);
    lock(&directory).unwrap();
}

#[test]
fn a_file_left_behind_locks_nobody_out() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join(FILE), "12345 and more text than a number has").unwrap();
    let _held = lock(root.path()).unwrap();
    assert_eq!(std::fs::read_to_string(root.path().join(FILE)).unwrap(), format!("{}\n", std::process::id()));
}

#[test]
fn a_place_that_is_a_file_is_refused() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("data"), "").unwrap();
    assert!(matches!(lock(&root.path().join("data")), Err(LockError::Io { .. })));
}
