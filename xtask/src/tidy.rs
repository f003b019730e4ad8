//! The house rules that no compiler checks: sizes of files, what must not stand in them, and that generated code is fresh.

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use crate::{protobuf, tools};

    /// Lines of the longest source file. One that would be longer has more than one responsibility.
    const LONGEST: usize = 600;

    /// A file of the repository: its path below the root and its text.
    struct File {
        path: PathBuf,
        text: String,
    }

    impl File {
        fn is_generated(&self) -> bool {
            self.path.starts_with("proto/src/gen")
        }

        /// The lines before the tests at its end, with their numbers; none in a file of tests.
        fn own_lines(&self, tests: &BTreeSet<PathBuf>) -> Vec<(usize, &str)> {
            let is_test = self.path.iter().any(|part| part == "tests" || part == "tests.rs")
                || tests.iter().any(|test| self.path.starts_with(test) || self.path == test.with_extension("rs"));
            if is_test {
                return Vec::new();
            }
            let own = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            own.lines().enumerate().collect()
        }

        /// Modules that only tests have, as directories.
        fn test_modules(&self) -> impl Iterator<Item = PathBuf> {
            let root = ["lib.rs", "main.rs"].iter().any(|name| self.path.ends_with(name));
            let directory = if root { self.path.with_file_name("") } else { self.path.with_extension("") };
            let pairs = self.text.lines().zip(self.text.lines().skip(1));
            let named = pairs.filter(|(attribute, _)| attribute.trim() == "#[cfg(test)]").filter_map(|(_, item)| {
                let (_, name) = item.split_once("mod ")?;
                name.strip_suffix(';')
            });
            named.map(move |name| directory.join(name))
        }
    }

    /// All Rust and Markdown of the repository.
    fn files() -> Vec<File> {
        let root = tools::root();
        let mut open: Vec<PathBuf> = ["services", "proto", "xtask", "deploy"].map(|folder| root.join(folder)).into();
        let mut paths: Vec<PathBuf> =
            fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { open.push(path) } else { paths.push(path) }
            }
        }
        let written = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "rs" || kind == "md");
        let read = |path: PathBuf| File { text: fs::read_to_string(&path).unwrap(), path: path.strip_prefix(&root).unwrap().to_owned() };
        let files: Vec<File> = paths.into_iter().filter(written).map(read).collect();
        assert!(files.len() > 200, "the whole repository is seen: {}", files.len());
        files
    }

    fn sources() -> Vec<File> {
        files().into_iter().filter(|file| file.path.extension().is_some_and(|kind| kind == "rs") && !file.is_generated()).collect()
    }

    fn none_of(faults: &[String]) {
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    #[test]
    fn no_file_is_too_long() {
        let long = |file: &File| {
            let lines = file.text.lines().count();
            (lines > LONGEST).then(|| format!("{} has {lines} lines, {LONGEST} are the most", file.path.display()))
        };
        none_of(&sources().iter().filter_map(long).collect::<Vec<_>>());
    }

    #[test]
    fn lines_are_clean() {
        let mut faults = Vec::new();
        for file in files().iter().filter(|file| !file.is_generated()) {
            for (number, line) in file.text.lines().enumerate() {
                if line.contains('\t') || line.ends_with([' ', '\t', '\r']) {
                    faults.push(format!("{}:{}: a tab, or a blank at the end", file.path.display(), number + 1));
                }
            }
            if !file.text.ends_with('\n') || file.text.ends_with("\n\n") {
                faults.push(format!("{} does not end with one line break", file.path.display()));
            }
        }
        none_of(&faults);
    }

    #[test]
    fn nothing_is_left_undone_or_hidden() {
        // In two parts, so that this file does not hold them.
        let never = [("todo", "!("), ("unimplemented", "!("), ("#[ign", "ore"), ("allow(dead", "_code"), ("allow(unused", ")")];
        let never = never.map(|(one, two)| format!("{one}{two}"));
        let mut faults = Vec::new();
        for file in &sources() {
            for (number, line) in file.text.lines().enumerate() {
                let found = never.iter().filter(|text| line.contains(text.as_str()));
                faults.extend(found.map(|text| format!("{}:{}: {text}", file.path.display(), number + 1)));
            }
        }
        none_of(&faults);
    }

    #[test]
    fn only_tests_unwrap() {
        let sources = sources();
        let tests: BTreeSet<PathBuf> = sources.iter().flat_map(File::test_modules).collect();
        let unwrap = [".unwrap", "()"].concat();
        let mut faults = Vec::new();
        for file in &sources {
            let own = file.own_lines(&tests).into_iter();
            let found = own.filter(|(_, line)| line.contains(&unwrap) && !line.trim_start().starts_with("//"));
            faults.extend(found.map(|(number, _)| format!("{}:{}: say why it cannot fail", file.path.display(), number + 1)));
        }
        none_of(&faults);
    }

    #[test]
    fn code_and_tests_are_told_apart() {
        let file = |path: &str, text: &str| File { path: path.into(), text: text.to_owned() };
        let crate_root = file("a/src/lib.rs", "mod b;\n#[cfg(test)]\npub(crate) mod world;\n#[cfg(test)]\nmod tests {\n}\n");
        let tests: BTreeSet<PathBuf> = crate_root.test_modules().collect();
        assert_eq!(tests, ["a/src/world".into()].into());
        assert_eq!(crate_root.own_lines(&tests).len(), 3);
        assert_eq!(file("a/src/b.rs", "fn b() {}\n").own_lines(&tests), [(0, "fn b() {}")]);
        for path in ["a/src/world.rs", "a/src/world/map.rs", "a/src/b/tests.rs", "a/src/b/tests/more.rs", "a/tests/it.rs"] {
            assert_eq!(file(path, "fn b() {}\n").own_lines(&tests), [], "{path}");
        }
    }

    #[test]
    fn every_crate_says_what_it_is() {
        let sources = sources();
        let roots = sources.iter().filter(|file| file.path.ends_with("src/lib.rs") || file.path.ends_with("src/main.rs"));
        let silent = roots.filter(|file| !file.text.starts_with("//! ")).map(|file| format!("{} begins with //!", file.path.display()));
        none_of(&silent.collect::<Vec<_>>());
    }

    #[test]
    fn modules_are_files_of_their_name() {
        let old = sources().into_iter().filter(|file| file.path.ends_with("mod.rs"));
        none_of(&old.map(|file| format!("{}: name it after the module", file.path.display())).collect::<Vec<_>>());
    }

    #[test]
    fn generated_code_is_fresh() {
        let fresh = tempfile::tempdir().unwrap();
        protobuf::generate_into(fresh.path()).unwrap();
        let names = |folder: &Path| -> BTreeSet<_> { fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect() };
        assert_eq!(names(fresh.path()), names(&protobuf::target()));
        for name in names(fresh.path()) {
            let (made, committed) = (fs::read(fresh.path().join(&name)).unwrap(), fs::read(protobuf::target().join(&name)).unwrap());
            assert!(made == committed, "{} is stale: run `cargo xtask proto`", name.display());
        }
    }
}
