// Command etcd is etcd's own server, unchanged: `go install` refuses the
// upstream module because of its replace directives, a module of ours that
// requires it does not.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
