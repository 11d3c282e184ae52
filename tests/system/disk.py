"""A FUSE file system that hangs, mounted on the directory in the first argument until standard input ends.

Reading `quick` succeeds. Reading `read`, closing `close` and looking up `look` hang, and each such operation prints a
line. A line on standard input completes all hanging operations and disables further hanging. Like a network file system,
it releases a process that is being killed.
"""

import ctypes
import errno
import os
import select
import stat
import struct
import sys

ROOT, NAMES = 1, {b"quick": 2, b"read": 3, b"close": 4}
LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, OPENDIR = 1, 2, 3, 14, 15, 18, 25, 26, 27
READDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = 28, 29, 36, 42
DIRECT_IO = 1
# Look-ups in a directory may run in parallel.
PARALLEL_LOOKUPS = 1 << 18

mount_point = os.fsencode(sys.argv[1])
device = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
if libc.mount(b"disk", mount_point, b"fuse", 0, options):
    sys.exit(f"mount failed: {os.strerror(ctypes.get_errno())}")

hanging = {}
hangs = True


def reply(unique, body=b"", error=0):
    try:
        os.write(device, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)
    except OSError as failure:
        # The requesting process was killed.
        if failure.errno != errno.ENOENT:
            raise


def attributes(node):
    mode = stat.S_IFDIR | 0o755 if node == ROOT else stat.S_IFREG | 0o644
    return struct.pack("<6Q10I", node, 5, 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def hang(unique, operation, body=b"", error=0):
    if hangs:
        hanging[unique] = (body, error)
        print(operation, flush=True)
    else:
        reply(unique, body, error)


def serve(request):
    _, operation, unique, node = struct.unpack_from("<IIQQ", request)
    rest = request[40:]
    if operation == INIT:
        reply(unique, struct.pack("<4I2H2I2H8I", 7, 31, 0, PARALLEL_LOOKUPS, 12, 9, 65536, 1, 16, 0, *[0] * 8))
    elif operation == LOOKUP:
        name = rest.rstrip(b"\0")
        if name == b"look":
            hang(unique, "look", error=errno.ENOENT)
        elif name in NAMES:
            found = NAMES[name]
            reply(unique, struct.pack("<4Q2I", found, 1, 0, 0, 0, 0) + attributes(found))
        else:
            reply(unique, error=errno.ENOENT)
    elif operation == GETATTR:
        reply(unique, struct.pack("<Q2I", 0, 0, 0) + attributes(node))
    elif operation in (OPEN, OPENDIR):
        reply(unique, struct.pack("<Q2I", 0, DIRECT_IO if operation == OPEN else 0, 0))
    elif operation == READ and node == NAMES[b"read"]:
        hang(unique, "read", b"late")
    elif operation == READ:
        offset = struct.unpack_from("<Q", rest, 8)[0]
        reply(unique, b"quick"[offset:])
    elif operation == FLUSH and node == NAMES[b"close"]:
        hang(unique, "close")
    elif operation in (RELEASE, RELEASEDIR, FLUSH, READDIR):
        reply(unique)
    elif operation == INTERRUPT:
        (interrupted,) = struct.unpack_from("<Q", rest)
        if hanging.pop(interrupted, None):
            reply(interrupted, error=errno.EINTR)
    elif operation not in (FORGET, BATCH_FORGET):
        reply(unique, error=errno.ENOSYS)


print("ready", flush=True)
while True:
    readable, _, _ = select.select([device, 0], [], [])
    if device in readable:
        serve(os.read(device, 1 << 18))
    if 0 in readable:
        if not os.read(0, 4096):
            break
        hangs = False
        for unique, (body, error) in hanging.items():
            reply(unique, body, error)
        hanging.clear()
MNT_DETACH = 2
libc.umount2(mount_point, MNT_DETACH)
