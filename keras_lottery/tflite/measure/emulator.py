"""Running the arm64 Python of an ARM root under QEMU's user mode, on the processor asked for, with the
counter."""

import os
import subprocess

# QEMU's name -> (implementer, part) as Linux tells them in /proc/cpuinfo, by which LiteRT picks its kernels.
CPUS = {
    "cortex-a53": ("0x41", "0xd03"),
    "cortex-a72": ("0x41", "0xd08"),
    "cortex-a76": ("0x41", "0xd0b"),
    "neoverse-n1": ("0x41", "0xd0c"),
    "max": ("0x00", "0x051"),
}


def run(root, cpu, folder, *words):
    """Run `python words` in an empty folder; the counter writes folder/counts. A CompletedProcess."""
    system = folder / "system"
    _overlay(root.system, system, cpu)
    environment = {
        "PYTHONPATH": root.site,
        "PYTHONHOME": "/usr",
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "LD_LIBRARY_PATH": os.pathsep.join(root.libraries),
    }
    # -U: the libraries are QEMU's, not those of the program it runs. -S: no packages of this machine.
    command = [
        root.qemu,
        "-U",
        "LD_LIBRARY_PATH",
        "-L",
        system,
        "-cpu",
        cpu,
        "-plugin",
        f"{root.counter},out={folder / 'counts'}",
        root.system / root.python,
        "-S",
        *words,
    ]
    return subprocess.run(
        list(map(str, command)),
        env={name: str(value) for name, value in environment.items()},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )


def _overlay(system, folder, cpu):
    """A root that is `system` but for what the machine says of its processor: one core of the kind asked for.

    QEMU takes a file from here where there is one, and from this machine where there is none.
    """
    implementer, part = CPUS[cpu]
    for name in ("proc", "sys/devices/system/cpu"):
        (folder / name).mkdir(parents=True)
    for path in system.iterdir():
        if path.name not in ("proc", "sys"):
            (folder / path.name).symlink_to(path)
    (folder / "proc" / "cpuinfo").write_text(
        "processor\t: 0\nBogoMIPS\t: 100.00\nFeatures\t: fp asimd aes pmull sha1 sha2 crc32 atomics fphp "
        f"asimdhp asimdrdm asimddp\nCPU implementer\t: {implementer}\nCPU architecture: 8\nCPU variant\t: "
        f"0x1\nCPU part\t: {part}\nCPU revision\t: 0\n"
    )
    for name in ("possible", "present", "online"):
        (folder / "sys" / "devices" / "system" / "cpu" / name).write_text("0\n")
