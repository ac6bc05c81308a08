"""The flags that every verb takes; apart from what uses them, so that help need not load a client."""

from __future__ import annotations

from sampan.cli.flags import Flag

GLOBAL_FLAGS = (
    Flag("kubeconfig", usage="the kubeconfig file"),
    Flag("context", usage="the context of the kubeconfig to use"),
    Flag("cluster", usage="the cluster of the kubeconfig to use"),
    Flag("user", usage="the user of the kubeconfig to use"),
    Flag("namespace", short="n", usage="the namespace"),
    Flag("server", short="s", usage="address and port of the API server"),
    Flag("token", usage="a bearer token"),
    Flag("as", usage="the user to impersonate"),
    Flag("as-group", "array", usage="a group to impersonate"),
    Flag("as-uid", usage="the uid to impersonate"),
    Flag("as-user-extra", "array", usage="extra attributes to impersonate"),
    Flag("username", usage="for basic authentication"),
    Flag("password", usage="for basic authentication"),
    Flag("certificate-authority", usage="the file of the certificate authority"),
    Flag("client-certificate", usage="a client certificate's file"),
    Flag("client-key", usage="a client key's file"),
    Flag("insecure-skip-tls-verify", "bool", usage="do not check the server's certificate"),
    Flag("tls-server-name", usage="the name that the server's certificate must have"),
    Flag("request-timeout", default="0", usage="how long to wait for one answer: 1s, 2m, 0 for ever"),
    Flag("disable-compression", "bool", usage="ask for answers that are not compressed"),
    Flag("match-server-version", "bool", usage="refuse a server of another version"),
    Flag("warnings-as-errors", "bool", usage="exit with 1 if the server warned"),
    Flag("cache-dir", usage="where discovery is kept"),
    Flag("profile", default="none", usage="accepted, without effect"),
    Flag("profile-output", default="profile.pprof", usage="accepted, without effect"),
    Flag("kuberc", usage="the file of your own verbs and defaults of flags"),
    Flag("v", "int", short="v", usage="how much to say about requests"),
    Flag("vmodule", usage="accepted, without effect"),
    Flag("log-flush-frequency", default="5s", usage="accepted, without effect"),
    Flag("help", "bool", short="h", usage="this text"),
)
