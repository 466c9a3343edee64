// pulumi-language-nodejs is a STAND-IN for the vendor's Node.js language host, which is not published as a Go module. It
// runs a Pulumi program with the published npm package @pulumi/pulumi, as the vendor's host does; ../../../../README.md
// lists where it differs. Never install it outside the lab.
//
//	pulumi-language-nodejs [flags] ENGINE-ADDRESS
//
// Prints the port on which it serves, as the engine expects, and ends when the engine is gone.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// How often the engine is asked whether it is still there: one that was killed leaves no other sign.
const engineCheck = 5 * time.Second

func main() {
	if err := serve(os.Args[1:]); err != nil {
		log.Fatalf("pulumi-language-nodejs (stand-in): %v", err)
	}
}

func serve(args []string) error {
	engine := engineAddress(args)
	if engine == "" {
		return fmt.Errorf("no engine address among the arguments %q", args)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rpcutil.Healthcheck(ctx, engine, engineCheck, stop); err != nil {
		return fmt.Errorf("the engine at %s cannot be asked: %w", engine, err)
	}
	cancel := make(chan bool)
	go func() {
		<-ctx.Done()
		close(cancel)
	}()
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, &host{ctx: ctx, engine: engine})
			return nil
		},
		Options: rpcutil.TracingServerInterceptorOptions(nil),
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d\n", handle.Port)
	return <-handle.Done
}

// The engine gives its address as the last argument, behind flags that are of no use here.
func engineAddress(args []string) string {
	if len(args) == 0 || strings.HasPrefix(args[len(args)-1], "-") {
		return ""
	}
	return args[len(args)-1]
}
