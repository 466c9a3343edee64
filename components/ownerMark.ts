// How this stack marks what is its own on hosts, which others may use too.
import * as pulumi from "@pulumi/pulumi";

/** PROJECT/STACK */
export const stackMark = (): string => `${pulumi.getProject()}/${pulumi.getStack()}`;

/** PROJECT/STACK/PROXY: a host is one proxy. */
export const proxyMark = (proxy: string): string => `${stackMark()}/${proxy}`;
