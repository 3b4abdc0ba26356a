# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests: an authority, what it signs, OCSP responses. Keys are P-256, so that making them takes no time."""
import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def subject(common_name, organisation="Sextant tests"):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
                      x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def general_name(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def write(path, data):
    """By rename, as whoever renews certificates should."""
    with open(str(path) + ".new", "wb") as file:
        file.write(data)
    os.replace(str(path) + ".new", path)
    return str(path)


class Identity:
    def __init__(self, certificate, key, chain=()):
        self.certificate, self.key, self.chain = certificate, key, chain

    @property
    def pem(self):
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (self.certificate, *self.chain))

    @property
    def key_pem(self):
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    def save(self, directory, name):
        """(certificate file, key file)"""
        return write(os.path.join(directory, name + ".pem"), self.pem), write(os.path.join(directory, name + ".key"), self.key_pem)


class Authority:
    def __init__(self, name="test authority", parent=None):
        self.parent, self.key = parent, ec.generate_private_key(ec.SECP256R1())
        self.name = subject(name)
        signer = parent or self
        self.certificate = (
            self.builder(self.name, self.key, now() - DAY, now() + 30 * DAY, signer)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                                         key_encipherment=False, data_encipherment=False, key_agreement=False,
                                         encipher_only=False, decipher_only=False), critical=True)
            .sign(signer.key, hashes.SHA256()))

    @staticmethod
    def builder(name, key, start, end, signer):
        return (x509.CertificateBuilder().subject_name(name).issuer_name(signer.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False))

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def save(self, directory, name="ca"):
        return write(os.path.join(directory, name + ".pem"), self.pem)

    def issue(self, *names, common_name=None, client=False, start=None, end=None, organisation="Sextant tests"):
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = self.builder(subject(common_name or names[0], organisation), key, start or now() - DAY, end or now() + 10 * DAY,
                               self).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([general_name(n) for n in names]), critical=False)
        return Identity(builder.sign(self.key, hashes.SHA256()), key, (self.certificate,) if self.parent else ())

    def staple(self, identity, good=True, until=None):
        revoked = {"revocation_time": None if good else now() - DAY, "revocation_reason": None}
        response = ocsp.OCSPResponseBuilder().add_response(
            cert=identity.certificate, issuer=self.certificate, algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.GOOD if good else ocsp.OCSPCertStatus.REVOKED, this_update=now() - DAY,
            next_update=until or now() + DAY, **revoked).responder_id(ocsp.OCSPResponderEncoding.HASH, self.certificate)
        return response.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
