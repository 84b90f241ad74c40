/* NumPy's .npz: a zip archive of .npy members, stored or deflated, zip64 too. minizip reads the archive from memory. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unzip.h>

#include "data/formats.h"

enum { NAME_SIZE = 512, METHOD_STORED = 0, METHOD_DEFLATED = 8, FLAG_ENCRYPTED = 1 };

/* minizip's input functions over memory. */
typedef struct memory_file {
  const uint8_t *data;
  size_t size, at;
  bool short_read; /* minizip takes the bytes past the end for zeros unless this is an error */
} memory_file;

static voidpf memory_open(voidpf opaque, const void *filename, int mode) {
  (void)filename;
  (void)mode;
  return opaque;
}

static uLong memory_read(voidpf opaque, voidpf stream, void *buffer, uLong size) {
  (void)opaque;
  memory_file *f = stream;
  const size_t n = size < f->size - f->at ? size : f->size - f->at;
  if (n > 0) memcpy(buffer, f->data + f->at, n);
  f->at += n;
  if (n < size) f->short_read = true;
  return (uLong)n;
}

static ZPOS64_T memory_tell(voidpf opaque, voidpf stream) {
  (void)opaque;
  return ((const memory_file *)stream)->at;
}

static long memory_seek(voidpf opaque, voidpf stream, ZPOS64_T offset, int origin) {
  (void)opaque;
  memory_file *f = stream;
  const size_t base = origin == ZLIB_FILEFUNC_SEEK_CUR ? f->at : origin == ZLIB_FILEFUNC_SEEK_END ? f->size : 0;
  if (offset > f->size - base) return -1;
  f->at = base + (size_t)offset;
  return 0;
}

static int memory_error(voidpf opaque, voidpf stream) {
  (void)opaque;
  return ((const memory_file *)stream)->short_read;
}

static int memory_close(voidpf opaque, voidpf stream) {
  (void)opaque;
  (void)stream;
  return 0;
}

static unzFile open_archive(memory_file *f) {
  zlib_filefunc64_def functions = {.zopen64_file = memory_open,
                                   .zread_file = memory_read,
                                   .ztell64_file = memory_tell,
                                   .zseek64_file = memory_seek,
                                   .zclose_file = memory_close,
                                   .zerror_file = memory_error,
                                   .opaque = f};
  return unzOpen2_64("", &functions);
}

/* Members are called by what np.savez was told: without ".npy". */
static bool array_name(char *member) {
  const size_t n = strlen(member);
  if (n < 4 || strcmp(member + n - 4, ".npy") != 0) return false;
  member[n - 4] = 0;
  return true;
}

/* Adds to a list that a message shows; a long list is cut. */
static void list_name(char *list, size_t size, const char *member) {
  const size_t used = strlen(list);
  if (used + strlen(member) + 8 < size) snprintf(list + used, size - used, "%s%s", used == 0 ? "" : ", ", member);
  else if (used + 6 < size && strcmp(list + used - 3, "...") != 0) strcpy(list + used, ", ...");
}

static qe_status_t fail_no_arrays(const char *name) {
  return qe__fail(QE_ERROR_NOT_FOUND, "%s: the archive holds no .npy members", name);
}

/* Leaves the archive at the wanted member. */
static qe_status_t find_member(unzFile zip, const char *name, const char *wanted, unz_file_info64 *info) {
  char list[600] = "", member[NAME_SIZE];
  unz64_file_pos found = {0, 0};
  unsigned arrays = 0;
  unz_global_info64 global;
  int code = unzGetGlobalInfo64(zip, &global);
  if (code == UNZ_OK) code = global.number_entry == 0 ? UNZ_END_OF_LIST_OF_FILE : unzGoToFirstFile(zip);
  for (; code == UNZ_OK; code = unzGoToNextFile(zip)) {
    if (unzGetCurrentFileInfo64(zip, info, member, sizeof member - 1, NULL, 0, NULL, 0) != UNZ_OK) break;
    member[sizeof member - 1] = 0;
    const bool exact = wanted != NULL && strcmp(member, wanted) == 0;
    if (!array_name(member)) continue;
    arrays++;
    list_name(list, sizeof list, member);
    if (wanted == NULL || exact || strcmp(member, wanted) == 0) {
      if (unzGetFilePos64(zip, &found) != UNZ_OK) break;
      if (wanted != NULL) return QE_OK;
    }
  }
  if (code != UNZ_END_OF_LIST_OF_FILE) {
    return qe__fail(QE_ERROR_FORMAT, "%s: damaged .npz: its directory of members cannot be read", name);
  }
  if (arrays == 0) return fail_no_arrays(name);
  if (wanted != NULL) return qe__fail(QE_ERROR_NOT_FOUND, "%s: no member '%s'; there are: %s", name, wanted, list);
  if (arrays > 1) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%s: holds %u arrays; name one as %s:MEMBER, of: %s", name, arrays, name,
                    list);
  }
  if (unzGoToFilePos64(zip, &found) != UNZ_OK ||
      unzGetCurrentFileInfo64(zip, info, NULL, 0, NULL, 0, NULL, 0) != UNZ_OK) {
    return qe__fail(QE_ERROR_FORMAT, "%s: damaged .npz: the entry of member '%s' cannot be read", name, list);
  }
  return QE_OK;
}

/* Whether the sizes that the directory declares can be true. */
static qe_status_t check_entry(const unz_file_info64 *info, size_t archive, const char *name) {
  if ((info->flag & FLAG_ENCRYPTED) != 0) return qe__fail(QE_ERROR_UNSUPPORTED, "%s: the member is encrypted", name);
  if (info->compression_method != METHOD_STORED && info->compression_method != METHOD_DEFLATED) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "%s: compression method %lu; expected stored (0) or deflated (8)", name,
                    info->compression_method);
  }
  const uint64_t packed = info->compressed_size, whole = info->uncompressed_size;
  const uint64_t limit = info->compression_method == METHOD_STORED ? packed : packed * QE__DEFLATE_MAX_RATIO;
  if (packed > archive || whole > limit || whole > SIZE_MAX / 2) {
    return qe__fail(QE_ERROR_FORMAT,
                    "%s: declares %" PRIu64 " bytes packed into %" PRIu64
                    ", in an archive of %zu; no archive can hold that",
                    name, whole, packed, archive);
  }
  return QE_OK;
}

static qe_status_t fail_unzip(const char *name, int code) {
  const char *what = code == UNZ_CRCERROR     ? "its checksum is wrong"
                     : code == UNZ_BADZIPFILE ? "its local header contradicts the directory"
                                              : "its data ends early or is damaged";
  return qe__fail(QE_ERROR_FORMAT, "%s: damaged .npz member: %s", name, what);
}

/* Unpacks exactly the declared size; minizip checks the checksum when the member is closed. */
static qe_status_t unpack(unzFile zip, const char *name, uint8_t *data, size_t size) {
  int code = unzOpenCurrentFile(zip);
  if (code != UNZ_OK) return fail_unzip(name, code);
  size_t done = 0;
  while (done < size) {
    const size_t part = size - done < (1u << 30) ? size - done : (1u << 30);
    const int n = unzReadCurrentFile(zip, data + done, (unsigned)part);
    if (n <= 0) {
      unzCloseCurrentFile(zip);
      return fail_unzip(name, n);
    }
    done += (size_t)n;
  }
  code = unzCloseCurrentFile(zip);
  return code == UNZ_OK ? QE_OK : fail_unzip(name, code);
}

static qe_status_t parse_member(unzFile zip, size_t archive, const char *name, const char *member, qe_tensor_t **out) {
  unz_file_info64 info;
  QE_TRY(find_member(zip, name, member, &info));
  char full[NAME_SIZE + 256];
  snprintf(full, sizeof full, "%.500s%s%.200s", name, member != NULL ? ":" : "", member != NULL ? member : "");
  QE_TRY(check_entry(&info, archive, full));
  const size_t size = (size_t)info.uncompressed_size;
  uint8_t *data = qe__alloc_aligned(size, 0);
  if (data == NULL) return qe__fail_in(QE_ERROR_OUT_OF_MEMORY, "%s", full);
  qe_status_t status = unpack(zip, full, data, size);
  if (status == QE_OK) status = qe__npy_parse(data, size, full, out);
  qe__free_aligned(data);
  return status;
}

qe_status_t qe__npz_parse(const void *data, size_t size, const char *name, const char *member, qe_tensor_t **out) {
  *out = NULL;
  /* minizip does not recognise an archive that is nothing but its end record. */
  if (size >= 4 && memcmp(data, "PK\5\6", 4) == 0) return fail_no_arrays(name);
  memory_file file = {.data = data, .size = size};
  unzFile zip = open_archive(&file);
  if (zip == NULL) {
    return qe__fail(QE_ERROR_FORMAT, "%s: damaged .npz: the end of the zip archive is missing (is the file complete?)",
                    name);
  }
  const qe_status_t status = parse_member(zip, size, name, member, out);
  unzClose(zip);
  return status;
}
