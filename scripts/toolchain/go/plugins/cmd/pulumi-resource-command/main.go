// pulumi-resource-command is a STAND-IN for the published command plugin, whose source is not to be had as a Go module.
// It has the same schema for what this project uses, and behaves the same, traps included; ../../../../README.md lists
// where it differs. Never install it outside the lab.
package main

import (
	"context"
	"log"

	"github.com/pulumi/pulumi-go-provider/infer"

	"chatmail-proxy/toolchain/command/local"
	"chatmail-proxy/toolchain/command/remote"
)

// version is set by the linker, from the npm pin of the SDK that talks to this plugin.
var version = "0.0.0"

func main() {
	standIn, err := infer.NewProviderBuilder().
		WithDisplayName("Command (stand-in)").
		WithDescription("STAND-IN for the published command plugin, built by chatmail-proxy for its lab.").
		WithResources(infer.Resource(&local.Command{}), infer.Resource(&remote.Command{})).
		WithFunctions(infer.Function(&local.Run{})).
		Build()
	if err != nil {
		log.Fatalf("pulumi-resource-command (stand-in): %v", err)
	}
	if err := standIn.Run(context.Background(), "command", version); err != nil {
		log.Fatalf("pulumi-resource-command (stand-in): %v", err)
	}
}
