// Command etcdctl is etcd's own command line, to read the registry by eye.
package main

import "go.etcd.io/etcd/etcdctl/v3/ctlv3"

func main() {
	ctlv3.MustStart()
}
