//! Where does configuration come from, and which file is read?

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Names the file when no flag does.
const FILE_VARIABLE: &str = "TAPEDECK_CONFIG";
/// Read when nothing names a file: the first that there is.
const FILES: &[&str] = &["tapedeck.toml", "/etc/tapedeck/config.toml"];

/// One key given as a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The flag, with its dashes.
    pub flag: &'static str,
    /// The key in full.
    pub key: String,
    /// The value, not yet typed.
    pub text: String,
}

/// All that overlays the defaults, weakest first.
#[derive(Debug, Default)]
pub struct Sources {
    /// Files and their text, or why it could not be read; later ones win.
    pub files: Vec<(Arc<Path>, io::Result<String>)>,
    /// The environment; nothing stands for a value that is not Unicode.
    pub env: Vec<(String, Option<String>)>,
    /// Flags; later ones win.
    pub flags: Vec<Assignment>,
}

impl Sources {
    /// What this process was given: the file that `named` or the environment names, or else the first of the usual
    /// ones; the environment; `flags`.
    pub fn of_process(named: Option<PathBuf>, flags: Vec<Assignment>) -> Self {
        let named = named.or_else(|| env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from));
        let usual = || FILES.iter().map(PathBuf::from).find(|path| path.exists());
        let files = named.or_else(usual).into_iter().map(read).collect();
        Self { files, env: environment(), flags }
    }

    /// For the demonstration: its built-in file, then the one that `named` names and no other; the environment; `flags`.
    pub fn of_demo(named: Option<PathBuf>, flags: Vec<Assignment>) -> Self {
        let built_in = (Arc::from(Path::new("built-in/demo.toml")), Ok(crate::config::DEMO.to_owned()));
        let files = std::iter::once(built_in).chain(named.map(read)).collect();
        Self { files, env: environment(), flags }
    }
}

fn read(path: PathBuf) -> (Arc<Path>, io::Result<String>) {
    let text = fs::read_to_string(&path);
    (path.into(), text)
}

/// Variables whose names are Unicode, by name, so that errors come in a fixed order.
fn environment() -> Vec<(String, Option<String>)> {
    let named = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()))
    };
    let mut variables: Vec<_> = env::vars_os().filter_map(named).collect();
    variables.sort();
    variables
}
