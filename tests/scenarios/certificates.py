"""Certificates for tests, made with openssl."""
import os
import subprocess


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Authority:
    """One who signs: NAME.pem and NAME.key, and what it signs, in a folder."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        os.makedirs(folder, exist_ok=True)
        self.new_key(name)
        openssl(folder, "req", "-x509", "-new", "-key", name + ".key", "-out", name + ".pem",
                "-days", "2", "-subj", "/CN=" + name)
        self.path = os.path.join(folder, name + ".pem")

    def new_key(self, name):
        openssl(self.folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout",
                "-out", name + ".key")

    def sign(self, name, host, days=2):
        """Makes NAME.pem and NAME.key for a host; returns their paths."""
        self.new_key(name)
        openssl(self.folder, "req", "-new", "-key", name + ".key", "-out", name + ".csr",
                "-subj", "/CN=" + host)
        with open(os.path.join(self.folder, name + ".ext"), "w", encoding="utf-8") as file:
            file.write("subjectAltName=DNS:%s\n" % host)
        openssl(self.folder, "x509", "-req", "-in", name + ".csr", "-out", name + ".pem",
                "-CA", self.name + ".pem", "-CAkey", self.name + ".key", "-CAcreateserial",
                "-days", str(days), "-extfile", name + ".ext")
        return tuple(os.path.join(self.folder, name + end) for end in (".pem", ".key"))
