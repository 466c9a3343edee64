// pulumi-resource-hcloud serves terraform-provider-hcloud to the Pulumi engine. The provider and the bridge are the
// published ones; only this main is ours (see ../../../../README.md).
package main

import (
	"context"
	"errors"
	"log"

	"github.com/hetznercloud/terraform-provider-hcloud/hcloud"
	pfbridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
	sdkshim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/x/muxer"
	"github.com/pulumi/pulumi-terraform-bridge/v3/unstable/metadata"

	"chatmail-proxy/toolchain/bridge"
)

// version is set by the linker, from the npm pin of the SDK that talks to this plugin.
var version = "0.0.0"

func provider(ctx context.Context) tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		Name: "hcloud",
		// Half of the provider is written on the older SDK, half on the plugin framework.
		P:            pfbridge.MuxShimWithPF(ctx, sdkshim.NewProvider(hcloud.Provider()), hcloud.NewPluginProvider()),
		Version:      version,
		MetadataInfo: tfbridge.NewProviderMetadata([]byte("{}")),
		Resources:    map[string]*tfbridge.ResourceInfo{},
	}
	stringIDs(&info)
	info.MustComputeTokens(tokens.SingleModule("hcloud_", "index", tokens.MakeStandard("hcloud")))
	info.SetAutonaming(255, "-")
	return info
}

// stringIDs declares every id a string. Some (zones, primary IPs) are numbers upstream; left so, the bridge finds no
// id in the answer and gives each such resource the ID "missing ID".
func stringIDs(info *tfbridge.ProviderInfo) {
	info.P.ResourcesMap().Range(func(name string, resource shim.Resource) bool {
		if id, found := resource.Schema().GetOk("id"); found && id.Type() != shim.TypeString {
			info.Resources[name] = &tfbridge.ResourceInfo{
				Fields: map[string]*tfbridge.SchemaInfo{"id": {Type: "string"}},
			}
		}
		return true
	})
}

// noteHalves notes which of the provider's two halves serves which resource. A published plugin carries this table as a
// generated file; computed at start it cannot go stale.
func noteHalves(info *tfbridge.ProviderInfo) error {
	halves, ok := info.P.(interface {
		ResolveDispatch(*tfbridge.ProviderInfo) (muxer.DispatchTable, error)
	})
	if !ok {
		return errors.New("this version of the bridge has no ResolveDispatch on its mux shim")
	}
	table, err := halves.ResolveDispatch(info)
	if err != nil {
		return err
	}
	return metadata.Set(info.GetMetadata(), "mux", table)
}

func main() {
	ctx := context.Background()
	info := provider(ctx)
	schema, err := bridge.Schema(info)
	if err == nil {
		err = noteHalves(&info)
	}
	if err != nil {
		log.Fatalf("pulumi-resource-hcloud: %v", err)
	}
	pfbridge.MainWithMuxer(ctx, "hcloud", info, schema)
}
