"""The manifests before a real kube-apiserver: `make test-manifests`, see k8s/README.md."""
