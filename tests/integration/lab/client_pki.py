"""Client certificates of every kind, their CAs and CRLs, made once per test run with the openssl command.

    root --- ca --- good, expired, future, server_only, no_eku, revoked
      |       `---- deep_ca --- deep
    other_root --- stranger;  self_signed
"""
import pathlib
import subprocess

CONFIG = """[ca]
default_ca = signer
[signer]
dir = {directory}
new_certs_dir = {directory}
database = {directory}/{name}.index
serial = {directory}/{name}.serial
crlnumber = {directory}/{name}.crlnumber
certificate = {directory}/{name}.pem
private_key = {directory}/{name}.key
default_md = sha256
policy = anything
unique_subject = no
[anything]
commonName = supplied
organizationName = optional
[req]
distinguished_name = none
[none]
"""
PAST, FUTURE = ("20200101000000Z", "20210101000000Z"), ("20900101000000Z", "20910101000000Z")
NOW = ("20240101000000Z", "20891231000000Z")
CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash"
LEAF = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectAltName=DNS:{name}.client.test," \
       "URI:spiffe://client.test/{name}"
CLIENT, SERVER = "\nextendedKeyUsage=clientAuth", "\nextendedKeyUsage=serverAuth"


class ClientPki:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        for name, issuer in (("root", None), ("other_root", None), ("ca", "root"), ("deep_ca", "ca")):
            self.make_ca(name, issuer)
        for name, validity, usage in (("good", NOW, CLIENT), ("expired", PAST, CLIENT), ("future", FUTURE, CLIENT),
                                      ("server_only", NOW, SERVER), ("no_eku", NOW, ""), ("revoked", NOW, CLIENT)):
            self.issue(name, "ca", LEAF.format(name=name) + usage, validity)
        self.issue("deep", "deep_ca", LEAF.format(name="deep") + CLIENT)
        self.issue("stranger", "other_root", LEAF.format(name="stranger") + CLIENT)
        self.key_and_request("self_signed")
        self.openssl("req", "-x509", "-key", self.key("self_signed"), "-subj", "/CN=self_signed", "-days", "9", "-out",
                     self.pem("self_signed"), "-config", self.path("root.cnf"))
        self.make_crl("ca", "before.crl", "-crldays", "30")
        self.openssl("ca", "-config", self.path("ca.cnf"), "-revoke", self.pem("revoked"))
        for name in ("root", "ca", "deep_ca", "other_root"):
            self.make_crl(name, "crl", "-crldays", "30")
        self.make_crl("ca", "expired.crl", "-crl_lastupdate", PAST[0], "-crl_nextupdate", PAST[1])

    def path(self, name):
        return self.directory / name

    def pem(self, name):
        """The certificate alone."""
        return self.path(f"{name}.pem")

    def key(self, name):
        return self.path(f"{name}.key")

    def text(self, *names):
        return "".join(self.path(name).read_text() for name in names)

    def joined(self, *names):
        """A file with all of these, in this order."""
        path = self.path("+".join(dict.fromkeys(names)) + f"*{len(names)}")
        path.write_text(self.text(*names))
        return path

    def crls(self, ca="ca.crl"):
        """What the chains of `good` and `revoked` need."""
        return self.joined("root.crl", ca)

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"openssl {arguments}: {done.stderr}"

    def key_and_request(self, name):
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key(name))
        self.openssl("req", "-new", "-key", self.key(name), "-subj", f"/O=Lab/CN={name}", "-config",
                     self.path("root.cnf"), "-out", self.path(f"{name}.csr"))

    def issue(self, name, issuer, extensions, validity=NOW):
        self.key_and_request(name)
        self.sign(name, issuer, extensions, validity)

    def sign(self, name, issuer, extensions, validity, *more):
        self.path(f"{name}.ext").write_text(extensions + "\n")
        self.openssl("ca", "-batch", "-notext", "-config", self.path(f"{issuer}.cnf"), "-in", self.path(f"{name}.csr"),
                     "-out", self.pem(name), "-startdate", validity[0], "-enddate", validity[1], "-extfile",
                     self.path(f"{name}.ext"), *more)

    def make_ca(self, name, issuer):
        self.path(f"{name}.cnf").write_text(CONFIG.format(directory=self.directory, name=name))
        self.path(f"{name}.index").write_text("")
        self.path(f"{name}.serial").write_text("1000\n")
        self.path(f"{name}.crlnumber").write_text("1000\n")
        self.key_and_request(name)
        self.sign(name, issuer or name, CA, NOW, *([] if issuer else ["-selfsign", "-keyfile", self.key(name)]))

    def make_crl(self, ca, suffix, *validity):
        self.openssl("ca", "-config", self.path(f"{ca}.cnf"), "-gencrl", "-out", self.path(f"{ca}.{suffix}"), *validity)
