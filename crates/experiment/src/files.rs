//! Reading and writing whole files.

use std::io::{self, Write};
use std::path::Path;

use ndarray::{ArrayD, ArrayView, Dimension};
use ndarray_npy::{ReadNpyError, ReadNpyExt, WritableElement, WriteNpyExt};

use crate::Error;

/// Writes a file so that it is there whole or not at all: into a sibling temporary, synchronised with
/// the disk, then renamed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let attempt = || -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".fokker-");
        #[cfg(unix)]
        {
            // As any file that a program creates: the user's mask takes away what it should.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    attempt().map_err(|source| Error::Write { path: path.to_owned(), source })
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

/// Reads an array of any real number type from a `.npy` file, as `f64`.
pub(crate) fn read_npy(path: &Path) -> Result<ArrayD<f64>, Error> {
    let bytes =
        std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    macro_rules! attempt {
        ($($element:ty),*) => {$(
            match ArrayD::<$element>::read_npy(bytes.as_slice()) {
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
    let reason = "holds no real numbers (expected a .npy array of floats or integers)".to_owned();
    Err(Error::Content { path: path.to_owned(), reason })
}

/// Fails early, before long work, if `path` cannot be a file in an existing folder.
pub(crate) fn check_writable(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let reason = match folder {
        Some(folder) if !folder.is_dir() => {
            format!("the folder {} does not exist", folder.display())
        }
        _ if path.is_dir() => "is a folder".to_owned(),
        _ => return Ok(()),
    };
    Err(Error::Content { path: path.to_owned(), reason })
}
