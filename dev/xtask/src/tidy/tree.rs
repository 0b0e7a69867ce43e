//! Reads the workspace's text files: sources, manifests and documents.

use std::fs;
use std::path::Path;

use super::File;

/// The kinds of files some rule looks at.
const KINDS: [&str; 4] = [".rs", ".toml", ".md", ".py"];

/// All files below `root` that a rule may look at, in a stable order.
pub(super) fn read(root: &Path) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    walk(root, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn walk(root: &Path, below: &str, files: &mut Vec<File>) -> Result<(), String> {
    let folder = root.join(below);
    let failed = |error| format!("{} cannot be read: {error}", folder.display());
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            // Build output and hidden folders (version control, editors) are not source.
            if name != "target" && !name.starts_with('.') {
                walk(root, &path, files)?;
            }
        } else if kind.is_file() && KINDS.iter().any(|kind| name.ends_with(kind)) {
            let text = fs::read_to_string(entry.path())
                .map_err(|error| format!("{path} cannot be read: {error}"))?;
            files.push(File { path, text });
        }
    }
    Ok(())
}
