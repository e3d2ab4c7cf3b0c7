//! Reading and writing whole files.

use std::io::{self, Write};
use std::path::Path;

use fokker_score_net::{Checkpoint, Element};
use ndarray::{ArrayD, ArrayView, Dimension};
use ndarray_npy::{ReadNpyError, ReadNpyExt, WritableElement, WriteNpyExt};

use crate::Error;

/// Writes a file so that it is there whole or not at all: into a sibling temporary, synchronised with
/// the disk, then renamed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let attempt = || -> io::Result<()> {
        // A link stays one; what it points to is replaced.
        let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut file = temporary_beside(path)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    attempt().map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// A temporary file in the folder of `path`.
fn temporary_beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".fokker-");
    #[cfg(unix)]
    {
        // As any file that a program creates: the user's mask takes away what it should.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder.unwrap_or(Path::new(".")))
}

/// Writes an array as `.npy`.
pub(crate) fn write_npy<A: WritableElement, D: Dimension>(
    path: &Path,
    array: ArrayView<'_, A, D>,
) -> Result<(), Error> {
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes).map_err(|error| Error::Internal(error.to_string()))?;
    write(path, &bytes)
}

/// Writes a checkpoint.
pub(crate) fn write_checkpoint<E: Element>(
    path: &Path,
    checkpoint: &Checkpoint<E>,
) -> Result<(), Error> {
    let bytes =
        checkpoint.to_bytes().map_err(|source| Error::Unsaved { path: path.to_owned(), source })?;
    write(path, &bytes)
}

/// Refuses what would be waited for, such as a pipe; a folder is refused by whoever reads it.
pub(crate) fn check_regular(path: &Path) -> Result<(), Error> {
    match path.metadata() {
        Ok(found) if !found.is_file() && !found.is_dir() => {
            let reason = "is not a regular file".to_owned();
            Err(Error::Content { path: path.to_owned(), reason })
        }
        _ => Ok(()),
    }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    check_regular(path)?;
    std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// Reads a checkpoint, rounded or widened to `E`.
pub(crate) fn read_checkpoint<E: Element>(path: &Path) -> Result<Checkpoint<E>, Error> {
    let bytes = read(path)?;
    Checkpoint::from_bytes(&bytes)
        .map_err(|source| Error::Checkpoint { path: path.to_owned(), source })
}

/// Refuses to write over a file that is read.
pub(crate) fn refuse_same(input: &Path, output: &Path) -> Result<(), Error> {
    if output.canonicalize().is_ok_and(|to| input.canonicalize().is_ok_and(|from| from == to)) {
        let reason = "is a file that this command reads".to_owned();
        return Err(Error::Content { path: output.to_owned(), reason });
    }
    Ok(())
}

/// Reads an array of any real number type from a `.npy` file, as `f64`.
pub(crate) fn read_npy(path: &Path) -> Result<ArrayD<f64>, Error> {
    parse_npy(path, &read(path)?)
}

/// The array in the bytes of the `.npy` file `path`, as `f64`.
pub(crate) fn parse_npy(path: &Path, bytes: &[u8]) -> Result<ArrayD<f64>, Error> {
    let magic = bytes.starts_with(b"\x93NUMPY");
    if magic && announced_entries(bytes).is_none_or(|entries| entries > bytes.len()) {
        let reason = "the header announces more entries than the file holds".to_owned();
        return Err(Error::Content { path: path.to_owned(), reason });
    }
    macro_rules! attempt {
        ($($element:ty),*) => {$(
            match ArrayD::<$element>::read_npy(bytes) {
                Ok(array) => return Ok(array.mapv(|x| x as f64)),
                Err(ReadNpyError::WrongDescriptor(_)) => {}
                Err(error) => {
                    let reason = format!("not a readable .npy file: {error}");
                    return Err(Error::Content { path: path.to_owned(), reason });
                }
            }
        )*};
    }
    attempt!(f64, f32, i64, u64, i32, u32, i16, u16, i8, u8);
    let reason =
        "holds no numbers that can be read (expected float64, float32 or integers)".to_owned();
    Err(Error::Content { path: path.to_owned(), reason })
}

/// Fails early, before long work, if `path` cannot be written as a file.
pub(crate) fn check_writable(path: &Path) -> Result<(), Error> {
    let content = |reason: String| Err(Error::Content { path: path.to_owned(), reason });
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match (folder, path.metadata()) {
        (Some(folder), _) if !folder.is_dir() => {
            content(format!("the folder {} does not exist", folder.display()))
        }
        (_, Ok(found)) if found.is_dir() => content("is a folder".to_owned()),
        (_, Ok(found)) if !found.is_file() => content("is not a regular file".to_owned()),
        _ => match temporary_beside(path) {
            Ok(_) => Ok(()),
            Err(source) => Err(Error::Write { path: path.to_owned(), source }),
        },
    }
}

/// Removes a file, unless it is not there.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Makes a folder, and those that it lies in, unless it is there.
pub(crate) fn create_folder(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// The number of entries that the header of a `.npy` file announces; `None` if it has no shape or
/// announces more than any file can hold.
fn announced_entries(bytes: &[u8]) -> Option<usize> {
    let header = String::from_utf8_lossy(bytes.get(..bytes.len().min(4096))?);
    let shape = header.split_once("'shape':")?.1.split_once('(')?.1.split_once(')')?.0;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    sizes.map(|size| size.parse::<usize>().ok()).try_fold(1_usize, |all, n| {
        let n = n?;
        // Even an axis of length 0 does not excuse an impossible one beside it.
        if n > bytes.len() { None } else { all.checked_mul(n) }
    })
}
