import '../../../flotilla.ts'

export async function POST(request: Request, { params }: { params: Promise<{ uid: string }> }): Promise<Response> {
  const { uid } = await params
  return Response.json(await globalThis.flotilla?.cluster.push({ uid }, await request.json()))
}
