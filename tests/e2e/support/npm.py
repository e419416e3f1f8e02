"""Packages from npm that tests run, as their lock file says, and the TypeScript client as a program has it."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
NPM = ROOT / "tests" / "npm"
MODULES = NPM / "node_modules"
CLIENT = ROOT / "clients" / "typescript"
needs_npm = pytest.mark.skipif(
    not (shutil.which("node") and MODULES.is_dir()), reason="the npm packages are not installed"
)
PATIENCE = 240  # seconds for a compiler on a machine that does much else


def run_tool(name, *arguments, cwd=NPM, timeout=PATIENCE):
    """A tool of one of the packages: its exit code and all that it said."""
    argv = [str(MODULES / ".bin" / name), *map(str, arguments)]
    done = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
    return done.returncode, done.stdout


class Project:
    """A folder of programs that have the client installed, compiled as its own configuration says."""

    def __init__(self, folder):
        self.folder = folder
        installed = folder / "node_modules" / "runnel-client"
        installed.mkdir(parents=True)
        for name in ("@types", "undici-types"):
            os.symlink(MODULES / name, folder / "node_modules" / name)
        shutil.copy(CLIENT / "package.json", installed)
        code, said = run_tool("tsc", "-p", CLIENT, "--outDir", installed / "dist", "--typeRoots", MODULES / "@types")
        assert code == 0, said

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def compile(self, *names):
        """tsc --strict of these files, without writing anything: (exit code, what it said)."""
        options = [
            "--strict",
            "--noEmit",
            "--skipLibCheck",
            "--target",
            "es2022",
            "--module",
            "nodenext",
            "--types",
            "node",
        ]
        return run_tool("tsc", *options, *names, cwd=self.folder)
